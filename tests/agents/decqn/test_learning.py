"""DecQN solves toy/reach."""

from bench.tests.agents.train import train, way

SOONER = {"learning_rate": 2e-3, "epsilon_steps": 1500, "warmup": 300}


def test_decqn_solves_reach():
    assert way(train("decqn", "toy/reach", 2500, SOONER), "toy/reach") >= 0.8
