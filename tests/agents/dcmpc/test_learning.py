"""dcmpc learns toy/reach, in eight environments stepped and planned for together: more than half of the way after 800
updates. That it gets to 80 % with its own settings is for the record in results/measured/solve.csv."""

from bench.tests.agents.train import train, way

SOONER = {
    "horizon": 1,
    "discount": 0.95,
    "noise_episodes": 20,
    "learning_rate": 4e-3,
    "model_rate": 2e-3,
    "target_rate": 0.05,
}


def test_dcmpc_learns_reach():
    assert way(train("dcmpc", "toy/reach", 200, {"collection.envs": 8, **SOONER}), "toy/reach") > 0.5
