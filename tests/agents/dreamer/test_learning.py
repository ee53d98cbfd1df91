"""DreamerV3 learns what a task of two states pays, and to collect it."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Step, Task
from bench.agents.dreamer.agent import Dreamer
from bench.agents.dreamer.rssm import Latent

EPISODE = 5  # decisions; the last one terminates
TASK = Task("lamp", spaces.Dict({"lamp": spaces.Box(-1, 1, (2,), np.float32)}), spaces.Discrete(3), 1, EPISODE, True)


def lamps(rng: np.random.Generator) -> np.ndarray:
    """One of two lamps is lit, for each of 8 environments. Pressing the button of that number pays 1."""
    return np.eye(2, dtype=np.float32)[rng.integers(2, size=8)]


def test_value_and_policy_of_a_two_state_task():
    diff = {"collection.envs": 8, "train_ratio": 32.0, "learning_rate": 1e-3, "warmup": 20, "batch": 16, "length": 8}
    agent = Dreamer(registry.resolve(registry.get("dreamer"), TASK, "tiny", diff, {}), TASK, 0, "cpu")
    policy, rng = agent.policy(8, 0, "explore"), np.random.default_rng(0)
    lamp, no = lamps(rng), np.zeros(8, bool)
    for at in range(250):
        first, over = (at % EPISODE == 0) | no, (at % EPISODE == EPISODE - 1) | no
        action, extras = policy.act({"lamp": lamp}, first)
        reward, following = (action == lamp.argmax(1)).astype(np.float32), lamps(rng)
        agent.observe(
            Step({"lamp": lamp}, action, reward, {"lamp": following}, first, over, no, no + at // EPISODE, extras)
        )
        lamp = lamps(rng) if over.all() else following
        while agent.learn():
            pass
    policy.act({"lamp": lamp}, ~no)
    with torch.no_grad():
        chances = agent.networks.actor(policy.state.feature)["logprob"].exp().numpy()
        value = agent.networks.value.mean(Latent(*policy.state).feature).numpy()
    print(agent.updates, chances[np.arange(8), lamp.argmax(1)], value, agent.metrics())
    assert (chances[np.arange(8), lamp.argmax(1)] > 0.8).all()
    assert value == pytest.approx(sum((1 - 1 / 333) ** k for k in range(EPISODE)), rel=0.1)
