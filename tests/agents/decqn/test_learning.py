"""DecQN solves toy/reach."""

from bench.tests.agents.train import train, way


def test_decqn_solves_reach():
    agent, env = train("decqn", "toy/reach", 6000)
    assert way(agent, env, "toy/reach") >= 0.8
