"""DreamerV3 learns to collect what a task of two states pays."""

import numpy as np
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Step, Task
from bench.agents.dreamer.agent import Dreamer
from bench.agents.dreamer.policy import DreamerPolicy

ENVS, EPISODE = 8, 5  # environments; decisions, the last of which terminates
TASK = Task("lamp", spaces.Dict({"lamp": spaces.Box(-1, 1, (2,), np.float32)}), spaces.Discrete(3), 1, EPISODE, True)
SIZES = {"units": 32, "deter": 64, "latents": 8, "classes": 4, "batch": 8, "length": 5}
SPEED = {"collection.envs": ENVS, "train_ratio": 20.0, "learning_rate": 2e-3, "warmup": 20}  # an update per two steps


def lamps(rng: np.random.Generator) -> np.ndarray:
    """One of two lamps is lit in each environment. Pressing the button of that number pays 1."""
    return np.eye(2, dtype=np.float32)[rng.integers(2, size=ENVS)]


def trained(updates: int) -> tuple[Dreamer, DreamerPolicy, np.ndarray]:
    """An agent, its policy on the first decision of an episode, and the lamps it sees there."""
    config = registry.resolve(registry.get("dreamer"), TASK, "tiny", {**SIZES, **SPEED}, {})
    agent, rng, no, at = Dreamer(config, TASK, 0, "cpu"), np.random.default_rng(0), np.zeros(ENVS, bool), 0
    policy, lamp = DreamerPolicy(agent, ENVS, 0), lamps(rng)
    while agent.updates < updates or at % EPISODE:
        first, over = (at % EPISODE == 0) | no, (at % EPISODE == EPISODE - 1) | no
        action, extras = policy.act({"lamp": lamp}, first)
        reward, following = (action == lamp.argmax(1)).astype(np.float32), lamps(rng)
        agent.observe(
            Step({"lamp": lamp}, action, reward, {"lamp": following}, first, over, no, no + at // EPISODE, extras)
        )
        lamp, at = lamps(rng) if over.all() else following, at + 1
        while agent.learn():
            pass
    policy.act({"lamp": lamp}, ~no)
    return agent, policy, lamp


@torch.no_grad()
def right(agent: Dreamer, policy: DreamerPolicy, lamp: np.ndarray) -> np.ndarray:
    """Probability of the right button in each environment."""
    chances = agent.networks.actor(policy.state.feature)["logprob"].exp().numpy()
    return chances[np.arange(ENVS), lamp.argmax(1)]


def test_the_right_button_is_preferred_soon():
    agent, policy, lamp = trained(500)
    assert (right(agent, policy, lamp) > 0.8).all()
