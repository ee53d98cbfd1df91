"""The symexp two-hot distribution, lambda-returns and categoricals against hand-computed values."""

import math

import pytest
import torch

from bench.agents.common.categorical import divergence, draw, entropy, log_unimix, one_hot, straight_through, unimix
from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.returns import lambda_returns
from bench.agents.common.twohot import SymexpTwoHot, symexp, symlog

TWOHOT = SymexpTwoHot()


def test_symlog_and_symexp_are_inverse():
    x = torch.tensor([0.0, 1e-3, -1e-3, 1.0, -1.0, 1e4, -1e4])
    assert torch.allclose(symexp(symlog(x)), x, rtol=1e-5)
    values = symlog(torch.tensor([1.0, 100.0, 10000.0, -5.0]))
    assert values.tolist() == pytest.approx([0.693147, 4.615121, 9.210440, -1.791759], abs=1e-5)
    zero = torch.zeros((), requires_grad=True)
    (slope,) = torch.autograd.grad(symlog(zero), zero)
    assert slope == 1


def test_bins():
    bins = TWOHOT.bins
    assert len(bins) == 255
    assert torch.equal(bins, -bins.flip(0))
    assert bins[127:130].tolist() == pytest.approx([0, 0.170558, 0.370205], abs=1e-5)
    assert bins[254].item() == pytest.approx(4.851652e8, rel=1e-5)
    with pytest.raises(ValueError, match="odd"):
        SymexpTwoHot(254)


def weights(value: float) -> torch.Tensor:
    lower, upper = TWOHOT.weights(torch.tensor([value]))
    return (one_hot(lower, 255) * (1 - upper) + one_hot(lower + 1, 255) * upper)[0]


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 0.1, 333.3, -5e4, 4e8])
def test_two_hot_weights_give_back_the_target(value):
    target = weights(value)
    assert target.sum().item() == pytest.approx(1, abs=1e-6)
    assert (target > 0).sum() <= 2
    assert (target.double() * TWOHOT.bins.double()).sum().item() == pytest.approx(value, rel=1e-5, abs=1e-6)


def test_two_hot_constants():
    target = weights(1.0)
    assert TWOHOT.bins[131:133].tolist() == pytest.approx([0.877463, 1.197678], abs=1e-5)
    assert target[131:133].tolist() == pytest.approx([0.617329, 0.382671], abs=1e-5)
    assert weights(float(TWOHOT.bins[140]))[140] == 1
    assert weights(1e12)[254] == 1
    assert weights(-1e12)[0] == 1
    flat = torch.zeros(3, 255)
    assert torch.equal(TWOHOT.mean(flat), torch.zeros(3))
    symmetric = torch.randn(100, 127)
    assert torch.equal(TWOHOT.mean(torch.cat([symmetric, torch.randn(100, 1), symmetric.flip(1)], 1)), torch.zeros(100))
    loss = TWOHOT.loss(flat, torch.tensor([0.0, 17.0, -1e12]))
    assert loss.tolist() == pytest.approx([math.log(255)] * 3, abs=1e-5)


def test_two_hot_loss_is_the_cross_entropy_summed_over_targets():
    logits, values = torch.randn(2, 255), (torch.tensor([1.0, -20.0]), torch.tensor([3.3, 0.0]))
    by_hand = [
        -sum((weights(float(value[row])) * logits[row].log_softmax(0)).sum() for value in values) for row in range(2)
    ]
    assert torch.allclose(TWOHOT.loss(logits, *values), torch.stack(by_hand), rtol=1e-5)


def test_lambda_returns_of_v3():
    reward, value = torch.tensor([1.0, 2, 3]), torch.tensor([20.0, 30, 40])
    returns = lambda_returns(reward, value, torch.full((3,), 0.9), 0.5, value[-1])
    assert returns.tolist() == pytest.approx([24.8725, 33.05, 39.0], abs=1e-4)
    returns = lambda_returns(reward, value, torch.tensor([0.9, 0, 0.9]), 0.5, value[-1])
    assert returns.tolist() == pytest.approx([10.9, 2.0, 39.0], abs=1e-4)


def test_unimix():
    for classes in (4, 16, 64):
        p = unimix(torch.randn(10, 3, classes) * 30, 0.01)
        assert p.min() >= 0.01 / classes - 1e-7
        assert torch.allclose(p.sum(-1), torch.ones(10, 3))
    p = unimix(torch.tensor([[50.0] + [0.0] * 15]), 0.01)
    assert p.max().item() == pytest.approx(0.990625, abs=1e-6)
    logits = torch.randn(5, 2, 7)
    assert torch.allclose(unimix(logits, 0.0), logits.softmax(-1))


def test_draws_have_their_probabilities():
    p = torch.tensor([0.1, 0.0, 0.6, 0.3])
    generator = torch.Generator().manual_seed(0)
    found = torch.bincount(draw(p.expand(100_000, 4), torch.rand(100_000, generator=generator)), minlength=4) / 1e5
    assert torch.allclose(found, p, atol=0.006)
    assert found[1] == 0
    assert draw(p, torch.tensor(0.9999999)) == 3
    assert draw(p, None) == 2


def test_straight_through_is_one_hot_in_value_and_the_probabilities_in_gradient():
    logits, weight = torch.randn(50, 3, 16, requires_grad=True), torch.randn(50, 3, 16)
    p = unimix(logits, 0.01)
    z = straight_through(draw(p, torch.rand(50, 3)), p)
    assert ((z == 0) | (z == 1)).all()
    assert torch.equal(z.sum(-1), torch.ones(50, 3))
    through, expected = (torch.autograd.grad((x * weight).sum(), logits, retain_graph=True)[0] for x in (z, p))
    assert torch.allclose(through, expected)


def test_divergence_and_entropy():
    p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])
    assert divergence(p, q).item() == pytest.approx(0.368064, abs=1e-5)
    assert entropy(q.log()).item() == pytest.approx(math.log(2), abs=1e-6)


def test_entropy_has_a_gradient_where_a_probability_rounds_to_zero():
    logits = torch.tensor([200.0, 0, 0], requires_grad=True)
    total = entropy(log_unimix(logits, 0.0))
    assert total == 0
    assert torch.autograd.grad(total, logits)[0].isfinite().all()
    mixed = log_unimix(logits, 0.01).exp()
    assert torch.allclose(mixed, unimix(logits[None], 0.01)[0])


def test_none_of_it_waits_for_the_device():
    p = torch.rand(4, 5).softmax(-1)
    with no_host_sync():
        TWOHOT.loss(torch.zeros(4, 255), TWOHOT.mean(torch.zeros(4, 255)))
        straight_through(draw(p, torch.rand(4)), p)
        lambda_returns(torch.ones(4, 3), torch.ones(4, 3), torch.ones(4, 3), 0.95, torch.ones(4))
