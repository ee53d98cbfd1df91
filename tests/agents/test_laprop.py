"""LaProp with adaptive gradient clipping against its equations."""

import pytest
import torch

from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.laprop import LaProp


def optimizer(parameter: torch.Tensor, **changed: float) -> LaProp:
    return LaProp([parameter], **{"learning_rate": 4e-5, "warmup": 1000, "clip": 0.3, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameter", "gradient", "clipped"),
    [
        ([0.5] * 4, [10.0, 0, 0, 0], [0.3, 0, 0, 0]),
        ([0.0] * 4, [10.0, 0, 0, 0], [3e-4, 0, 0, 0]),  # the parameter's norm counts as at least 1e-3
        ([0.5] * 4, [0.1, 0.1, 0, 0], [0.1, 0.1, 0, 0]),
    ],
)
def test_gradients_are_clipped_to_their_parameters_norm(parameter, gradient, clipped):
    laprop = optimizer(torch.tensor(parameter))
    laprop.step([torch.tensor(gradient)])
    assert laprop.squares[0].tolist() == pytest.approx([0.001 * g * g for g in clipped], rel=1e-4)


def test_the_rate_rises_from_zero_and_the_first_direction_is_the_sign():
    parameter = torch.full((3,), 100.0, dtype=torch.float64)
    laprop = optimizer(parameter)
    gradient = torch.tensor([3.0, -0.2, 1e-7], dtype=torch.float64)
    moved = []
    for _ in range(1003):
        before = parameter.clone()
        laprop.step([gradient.clone()])
        moved.append(before - parameter)
    assert torch.equal(moved[0], torch.zeros(3, dtype=torch.float64))  # update 0 has rate 0
    for update, rate in ((1, 4e-8), (2, 8e-8), (1000, 4e-5), (1002, 4e-5)):
        assert moved[update].tolist() == pytest.approx([rate, -rate, rate], rel=1e-3)


def test_a_constant_factor_on_all_gradients_changes_nothing():
    ends = []
    for factor in (1.0, 1000.0):
        generator = torch.Generator().manual_seed(0)
        parameter = torch.full((5,), 1e5)
        laprop = optimizer(parameter, warmup=10, learning_rate=0.1)
        for _ in range(30):
            laprop.step([factor * torch.randn(5, generator=generator)])
        ends.append(parameter)
    assert torch.allclose(*ends, rtol=1e-6)


def test_two_updates_by_hand():
    parameter = torch.tensor([2.0])
    laprop = optimizer(parameter, learning_rate=1.0, warmup=1, clip=100.0)
    square = momentum = 0.0
    value = 2.0
    for t, g in enumerate((0.5, -0.3, 0.2), start=1):
        norm = laprop.step([torch.tensor([g])])
        assert norm.item() == pytest.approx(abs(g))
        square = 0.999 * square + 0.001 * g * g
        momentum = 0.9 * momentum + 0.1 * g / (square / (1 - 0.999**t)) ** 0.5
        value -= min(1, t - 1) * momentum / (1 - 0.9**t)
        assert parameter.item() == pytest.approx(value, abs=1e-3)


def test_state_is_taken_up_and_nothing_waits():
    first, second = torch.ones(3), torch.ones(3)
    one, other = optimizer(first, warmup=2), optimizer(second, warmup=2)
    gradients = torch.randn(6, 3)
    with no_host_sync():
        for gradient in gradients[:3]:
            one.step([gradient.clone()])
    second.copy_(first)
    other.load_state_dict(one.state_dict())
    for gradient in gradients[3:]:
        one.step([gradient.clone()])
        other.step([gradient.clone()])
    assert torch.equal(first, second)
