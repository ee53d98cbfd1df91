"""tdmpc2 learns toy/reach, in eight environments stepped and planned for together: more than half of the way after 680
updates. That it gets to 80 % with its own settings is for the record in results/measured/solve.csv."""

from bench.tests.agents.train import train, way


def test_tdmpc2_learns_reach():
    sooner = {"seed_steps": 100, "steps_per_update": 2, "horizon": 1, "reward_scale": 1.0, "value_scale": 1.0}
    assert way(train("tdmpc2", "toy/reach", 170, {"collection.envs": 8, **sooner}), "toy/reach") > 0.5
