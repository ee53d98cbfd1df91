"""DecQN solves toy/reach."""

from bench.tests.agents.train import train, way


def test_decqn_solves_reach():
    assert way(train("decqn", "toy/reach", 6000), "toy/reach") >= 0.8
