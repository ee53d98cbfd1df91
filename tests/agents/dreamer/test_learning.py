"""DreamerV3 learns to collect what a task of two states pays."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Step, Task
from bench.agents.dreamer.agent import Dreamer
from bench.agents.dreamer.policy import DreamerPolicy
from bench.tests.agents.dreamer.subjects import AS_PUBLISHED

ENVS, EPISODE = 8, 5  # environments; decisions, the last of which terminates
TASK = Task("lamp", spaces.Dict({"lamp": spaces.Box(-1, 1, (2,), np.float32)}), spaces.Discrete(3), 1, EPISODE, True)
SIZES = {"units": 32, "deter": 64, "latents": 8, "classes": 4, "batch": 8, "length": 5, "imagination": 5}
SPEED = {"collection.envs": ENVS, "train_ratio": 20.0, "learning_rate": 2e-3, "warmup": 20}  # an update per two steps


def lamps(rng: np.random.Generator) -> np.ndarray:
    """One of two lamps is lit in each environment. Pressing the button of that number pays 1."""
    return np.eye(2, dtype=np.float32)[rng.integers(2, size=ENVS)]


def trained(updates: int, **sooner: float) -> tuple[Dreamer, DreamerPolicy, np.ndarray]:
    """An agent, its policy on the first decision of an episode, and the lamps it sees there."""
    config = registry.resolve(registry.get("dreamer"), TASK, "tiny", {**SIZES, **AS_PUBLISHED, **SPEED, **sooner}, {})
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
    agent, policy, lamp = trained(350, batch=16, train_ratio=40.0, learning_rate=4e-3)
    assert (right(agent, policy, lamp) > 0.8).all()


@torch.no_grad()
def predicted_and_paid(agent: Dreamer, episodes: int) -> tuple[float, float]:
    """Means over the starts of episodes: the critic's value, and the discounted rewards the policy then collects."""
    rng, no, discount = np.random.default_rng(1), np.zeros(ENVS, bool), 1 - 1 / agent.config.horizon
    policy, value, paid = DreamerPolicy(agent, ENVS, 5), 0.0, 0.0
    for _ in range(episodes):
        for k in range(EPISODE):
            lamp = lamps(rng)
            action, _ = policy.act({"lamp": lamp}, no | (k == 0))
            value += float(agent.networks.value.mean(policy.state.feature).mean()) if k == 0 else 0.0
            paid += discount**k * float((action == lamp.argmax(1)).mean())
    return value / episodes, paid / episodes


@pytest.mark.slow
def test_the_value_of_a_task_of_two_states_is_right_within_a_twentieth():
    agent, _, _ = trained(2000)
    value, paid = predicted_and_paid(agent, 60)
    assert abs(value - paid) < 0.05 * paid
