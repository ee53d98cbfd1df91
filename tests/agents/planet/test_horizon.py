"""How far PlaNet's search gets on toy/reach when its model is perfect. It has no value beyond the plan, and from afar
nothing within 12 decisions is paid for."""

import pytest
import torch
from torch import Generator, Tensor

from bench.agents import registry
from bench.agents.common.planner import Search, search
from bench.agents.planet.agent import LEAST
from bench.benchmarks.suites import toy
from bench.envs import registry as envs
from bench.envs.toys import PAY_EVERY, REACH_STEPS, SPEED

EPISODES = 250


def moved(place: Tensor, action: Tensor) -> Tensor:
    return (place + SPEED * action).clamp(-1, 1)


def paid(place: Tensor, goal: Tensor) -> Tensor:
    return (1 - (place - goal).norm(dim=-1)).clamp(min=0)


def first_action(place: Tensor, goal: Tensor, step: int, horizon: int, settings: Search, chance: Generator) -> Tensor:
    """[E, 2], of a plan of the decisions after `step`."""

    def returns(candidates: Tensor) -> Tensor:  # [E, H, N, 2] -> [E, N]
        at, total = place[:, None], torch.zeros(())
        for number, action in enumerate(candidates.unbind(1), start=step + 1):
            at = moved(at, action)
            total = total + (paid(at, goal[:, None]) if number % PAY_EVERY == 0 else 0.0)
        return total

    mean = torch.zeros(len(place), horizon, 2)
    return search(returns, mean, mean[:, :, None][:, :, :0], settings, chance).mean[:, 0]


def way(horizon: int, candidates: int, elites: int, iterations: int) -> float:
    """How far from the random policy (0) to the optimum (1) such plans come, in the mean of EPISODES."""
    chance, settings = Generator().manual_seed(0), Search(iterations, candidates, elites, 0.0, LEAST, 1.0)
    place, goal = (2 * torch.rand(2, EPISODES, 2, generator=chance) - 1).unbind(0)
    total = torch.zeros(EPISODES)
    for step in range(REACH_STEPS):
        place = moved(place, first_action(place, goal, step, horizon, settings, chance))
        if (step + 1) % PAY_EVERY == 0:
            total += paid(place, goal)
    random, optimum = toy.suite.references["toy/reach"]
    return (total.mean().item() - random) / (optimum - random)


@pytest.mark.slow
def test_plans_as_published_hardly_solve_reach_and_the_sharper_longer_ones_of_tiny_do():
    assert way(12, 1000, 100, 10) < 0.85  # published
    tiny = registry.resolve(registry.get("planet"), envs.task("toy/reach"), "tiny", {}, {})
    assert way(tiny.imagination, tiny.candidates, tiny.elites, tiny.iterations) > 0.88
