"""Three forms of one retention, and POP against its definition token by token."""

import math
import time

import pytest
import torch

from bench.agents.simulus.retention import Decays, angles, carry, decays, read, rotated
from bench.tests.agents.simulus.oracle import sequential, token
from bench.tests.agents.simulus.subjects import generator, trunk


def parts(length: int, dtype: torch.dtype = torch.float32, size: int = 16) -> list[torch.Tensor]:
    chance = generator()
    return [torch.randn(2, 4, length, size, generator=chance, dtype=torch.float64).to(dtype) for _ in range(3)]


ATARI = decays(4, 65, 4, 16)


def retention(q, k, v, decay, state=None):
    """A chunk's outputs, and the state after it."""
    powers = decay.over(q.shape[-2], q)
    return read(q, k, v, powers, state), carry(k, v, powers, state)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("chunk", [1, 3, 65, 150])
def test_chunkwise_and_recurrent_equal_parallel(chunk, dtype, tolerance):
    q, k, v = parts(150, dtype)
    k = k / math.sqrt(k.shape[-1])
    decay = Decays(ATARI)
    whole, last = retention(q, k, v, decay)
    state, found = None, []
    for at in range(0, 150, chunk):
        part, state = retention(*(x[..., at : at + chunk, :] for x in (q, k, v)), decay, state)
        found.append(part)
    scale = whole.abs().max()
    assert torch.allclose(torch.cat(found, -2) / scale, whole / scale, atol=tolerance, rtol=0)
    assert torch.allclose(state / scale, last / scale, atol=tolerance, rtol=0)


def test_parallel_is_the_decayed_sum():
    q, k, v = parts(9, torch.float64)
    g = ATARI[:, None]
    found, _ = retention(q, k, v, Decays(ATARI))
    n = 8
    expected = sum(
        g ** (n - m) * (q[..., n, :] * k[..., m, :]).sum(-1, keepdim=True) * v[..., m, :] for m in range(n + 1)
    )
    assert torch.allclose(found[..., n, :], expected, atol=1e-10)


@pytest.mark.parametrize(
    ("block", "memory", "expected"),
    [
        (65, (4, 16), [0.996154, 0.997577, 0.998474, 0.999038]),
        (148, (8, 40), [0.999155, 0.999506, 0.999711, 0.999831]),
        (30, (2, 2), [1 - 1 / 60] * 4),
    ],
)
def test_decays_are_in_units_of_blocks(block, memory, expected):
    found = decays(4, block, *memory)
    assert found.tolist() == pytest.approx(expected, abs=5e-7)
    assert (found.diff() >= -1e-15).all()


def test_the_state_stays_bounded():
    decay, state, chance = Decays(ATARI), None, generator()
    for _ in range(100):
        k, v = (torch.rand(1, 4, 100, 8, generator=chance) * 2 - 1 for _ in range(2))
        _, state = retention(k, k, v, decay, state)
    assert (state.abs().amax(dim=(0, 2, 3)) <= 1 / (1 - ATARI)).all()


def test_rotations_keep_norms_and_tell_differences_alone():
    q, k, _ = parts(1)
    scores = []
    for shift in (0, 977):
        by, later = (angles(torch.tensor([at + shift]), 16) for at in (40, 71))
        assert torch.allclose(rotated(q, by).norm(dim=-1), q.norm(dim=-1), atol=1e-5)
        scores.append((rotated(q, later) * rotated(k, by)).sum(-1))
    assert torch.allclose(*scores, atol=1e-5)
    by = angles(torch.tensor([3]), 4)  # angles 3 and 3e-4 of the pairs (0, 1) and (2, 3)
    turned = rotated(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), by)[0]
    assert turned.tolist() == pytest.approx([math.cos(3), math.sin(3), -math.sin(3e-4), math.cos(3e-4)], abs=1e-6)


@torch.no_grad()
def test_pop_equals_its_definition():
    net = trunk()
    blocks = torch.randn(3, 6, 7, 16, generator=generator())
    expected, states = sequential(net, blocks)
    y, state = net(blocks, net.initial(3))
    assert torch.allclose(y, expected, atol=1e-5)
    assert torch.allclose(state, torch.stack(states, 1), atol=1e-5)
    for chunk in (1, 2):  # the same from pieces, each continued from the state before it
        state, found = net.initial(3), []
        for at in range(0, 6, chunk):
            part, state = net(blocks[:, at : at + chunk], state, position=at * 7)
            found.append(part)
        assert torch.allclose(torch.cat(found, 1), expected, atol=1e-5)


@torch.no_grad()
def test_imagination_is_the_trained_prediction_and_leaves_the_state():
    net = trunk()
    blocks = torch.randn(3, 5, 7, 16, generator=generator())
    y, _ = net(blocks, net.initial(3))
    state = net.initial(3)
    for t in range(5):
        kept = state.clone()
        assert torch.allclose(net.predict(state, 7 * t), y[:, t], atol=1e-5)
        assert torch.allclose(net.predict(state, torch.full((3,), 7 * t)), y[:, t], atol=1e-5)
        assert torch.equal(state, kept)
        state = net.consume(blocks[:, t], state, 7 * t)
    at_once = net.consume(blocks.flatten(1, 2), net.initial(3), 0)
    assert torch.allclose(at_once, state, atol=1e-5)


@torch.no_grad()
def test_a_prediction_sees_what_lies_before_it_and_nothing_else():
    net = trunk()
    blocks = torch.randn(1, 5, 7, 16, generator=generator())
    y, _ = net(blocks, net.initial(1))
    changed = blocks.clone()
    changed[:, 3, :5] += torch.randn(5, 16, generator=generator(1))  # the observation of block 3
    other, _ = net(changed, net.initial(1))
    assert torch.equal(other[:, :4], y[:, :4])
    assert not torch.allclose(other[:, 4], y[:, 4], atol=1e-3)
    changed = blocks.clone()
    changed[:, 2, 6] += torch.randn(16, generator=generator(1))  # the last token of the action of block 2
    other, _ = net(changed, net.initial(1))
    assert torch.equal(other[:, :3], y[:, :3])
    assert not torch.allclose(other[:, 3], y[:, 3], atol=1e-3)


def test_dropout_is_drawn_from_the_generator_alone():
    net, blocks = trunk(), torch.randn(2, 3, 7, 16, generator=generator())
    one, same, other = (net(blocks, net.initial(2), generator=generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-3)


@torch.no_grad()
def test_a_step_costs_two_calls_where_the_definition_makes_one_per_token():
    """64 slots as in Atari, batch 1."""
    net = trunk(observed=64, acted=1, heads=2, width=32)
    blocks = torch.randn(1, 65, 32, generator=generator())
    state = net.initial(1)
    states = list(state.unbind(1))

    def timed(call) -> float:
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return min(times)

    def token_by_token() -> None:
        ahead = states
        for i in range(64):
            _, ahead = token(net, net.slots.weight[i].expand(1, -1), ahead, i)

    fast = timed(lambda: net.predict(net.consume(blocks, state, 0), 65))
    net.consume(blocks, state, 0)
    assert timed(lambda: (net.consume(blocks, state, 0), token_by_token())) > 4 * fast
