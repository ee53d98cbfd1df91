"""What counts as a parameter that an agent trains."""

from __future__ import annotations

import pytest

from bench.agents import registry
from bench.agents.counter import TASKS
from bench.benchmarks import parameters


def built(name: str):
    task = TASKS["counter/vector-box"]
    spec = registry.get(name)
    config = registry.resolve(spec, task, "tiny", {}, {})
    return registry.load(spec)(config, task, 0, "cpu")


@pytest.mark.parametrize("name", ["decqn", "dreamer"])
def test_each_parameter_counts_once_and_targets_do_not(name: str):
    agent = built(name)
    networks = agent.networks if name == "dreamer" else agent.online
    assert parameters.count(agent) == sum(one.numel() for one in networks.parameters()) > 1000


def test_an_agent_without_networks_has_none():
    assert parameters.count(built("random")) is None
