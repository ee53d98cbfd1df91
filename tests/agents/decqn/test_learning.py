"""DecQN learns toy/reach: more than half of the way after 3,000 decisions. That it gets to 80 % is for the record in
results/measured/solve.csv."""

from bench.tests.agents.train import train, way


def test_decqn_learns_reach():
    assert way(train("decqn", "toy/reach", 3000), "toy/reach") > 0.5
