"""SimNorm, two-hot codes, heads, critics and sizes against the constants of the published code."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.agents.common.layers import Ensemble, mish
from bench.agents.common.twohot import symexp, symlog
from bench.agents.tdmpc2.networks import (
    INIT_STD,
    Networks,
    TwoHot,
    gaussian_log_probability,
    shifted,
    simnorm,
)
from bench.agents.tdmpc2.update import spread
from bench.agents.tdmpc2.variants import SIZES
from bench.tests.agents.tdmpc2.subjects import IMAGE, built, config, control, generator

X = torch.randn(4, 512, generator=generator())
CODE = TwoHot(101, 10.0)


# SimNorm


def test_simnorm_makes_every_group_a_distribution():
    z = simnorm(X, 8)
    assert torch.allclose(z.unflatten(-1, (64, 8)).sum(-1), torch.ones(4, 64), atol=1e-6)
    assert 0 < z.min() < z.max() < 1
    assert torch.allclose(z, X.unflatten(-1, (64, 8)).softmax(-1).flatten(-2), atol=1e-7)
    assert torch.equal(simnorm(torch.full((1, 16), 3.0), 8), torch.full((1, 16), 1 / 8))
    assert simnorm(1000 * X, 8).isfinite().all()


def test_simnorm_is_equivariant_to_groups_and_blind_to_their_offsets():
    offsets = torch.randn(64, generator=generator(1)).repeat_interleave(8)
    assert torch.allclose(simnorm(X + offsets, 8), simnorm(X, 8), atol=1e-6)
    swapped = X.unflatten(-1, (64, 8)).flip(1)
    assert torch.allclose(simnorm(swapped.flatten(1), 8), simnorm(X, 8).unflatten(-1, (64, 8)).flip(1).flatten(1))
    changed = X.clone()
    changed[:, :8] += torch.randn(4, 8, generator=generator(2))
    assert torch.equal(simnorm(changed, 8)[:, 8:], simnorm(X, 8)[:, 8:])
    assert not torch.equal(simnorm(changed, 8)[:, :8], simnorm(X, 8)[:, :8])


def test_the_jacobian_of_simnorm_is_block_diagonal():
    x = X[0, :16]
    jacobian = torch.autograd.functional.jacobian(lambda v: simnorm(v, 8), x)
    for block, g in zip((slice(0, 8), slice(8, 16)), simnorm(x, 8).unflatten(0, (2, 8)), strict=True):
        assert torch.allclose(jacobian[block, block], torch.diag(g) - torch.outer(g, g), atol=1e-6)
    assert torch.equal(jacobian[:8, 8:], torch.zeros(8, 8))
    assert torch.allclose(jacobian.sum(1), torch.zeros(16), atol=1e-6)


def test_two_latents_differ_by_a_quarter_at_most():
    one, other = (functional.one_hot(torch.full((64,), k), 8).flatten().float() for k in (0, 5))
    assert (one - other).square().mean() == 0.25
    assert (simnorm(50 * X, 8) - simnorm(-50 * X, 8)).square().mean() <= 0.25


def test_groups_that_do_not_fit_are_an_error():
    with pytest.raises(RuntimeError):
        simnorm(torch.zeros(2, 20), 8)


def test_encoder_and_dynamics_stay_on_the_simplices():
    net = built(latent=32).networks
    z = net.encoder({"vector": torch.randn(5, 4, generator=generator())})
    for _ in range(20):
        assert torch.allclose(z.unflatten(-1, (4, 8)).sum(-1), torch.ones(5, 4), atol=1e-6)
        z = net.dynamics(torch.cat([z, torch.randn(5, 2, generator=generator())], -1))


# Mish


def test_mish_and_its_gradient_are_torchs():
    x = torch.linspace(-90, 90, 20_001).requires_grad_()
    ours, theirs = mish(x), functional.mish(x)
    assert torch.allclose(ours, theirs, atol=2e-6)
    assert torch.allclose(*(torch.autograd.grad(y.sum(), x)[0] for y in (ours, theirs)), atol=2e-6)
    with torch.no_grad():
        assert torch.allclose(mish(x), functional.mish(x), atol=2e-6)


# Two-hot


@pytest.mark.parametrize(
    ("value", "masses"),
    [(0.0, {50: 1.0}), (1.0, {53: 0.53426, 54: 0.46574}), (-1.0, {46: 0.46574, 47: 0.53426}), (1e6, {100: 1.0})],
)
def test_a_number_is_shared_by_its_two_bins(value, masses):
    expected = torch.zeros(101)
    for place, mass in masses.items():
        expected[place] = mass
    assert torch.allclose(CODE.encode(torch.tensor(value)), expected, atol=2e-5)


def test_decoding_inverts_encoding():
    x = torch.cat([symexp(torch.linspace(-10, 10, 1001)), torch.tensor([0.0, 22025.0, -22025.0])])
    code = CODE.encode(x)
    assert torch.allclose(code.sum(-1), torch.ones(len(x)), atol=1e-5)
    assert torch.allclose(CODE.decode(code.log()), x, rtol=2e-4, atol=1e-5)
    assert torch.allclose(symlog(symexp(torch.linspace(-10, 10, 11))), torch.linspace(-10, 10, 11), atol=1e-5)


def test_uniform_logits_say_zero_and_cost_ln_101():
    assert CODE.decode(torch.zeros(101)).abs() < 1e-5
    values = torch.tensor([-3.0, 0.0, 0.7, 400.0])
    assert torch.allclose(CODE.loss(torch.zeros(4, 101), CODE.encode(values)), torch.full((4,), math.log(101)))
    assert math.log(101) == pytest.approx(4.61512, abs=1e-5)


def test_the_loss_is_the_cross_entropy():
    logits, code = torch.randn(6, 101, generator=generator()), CODE.encode(torch.linspace(-5, 5, 6))
    expected = functional.cross_entropy(logits, code, reduction="none")
    assert torch.allclose(CODE.loss(logits, code), expected, atol=1e-5)


# Heads at the start


def test_the_weights_at_the_start():
    net = Networks(config(control(), "paper"), control())
    for module in net.modules():
        if isinstance(module, nn.Linear) and module is not net.reward[-1]:
            assert float(module.weight.detach().std()) == pytest.approx(INIT_STD, rel=0.05)
            assert not module.bias.any()
    for weight in (net.critics.first.weight, net.critics.second.weight):
        assert float(weight.detach().std()) == pytest.approx(INIT_STD, rel=0.05)
    assert not net.reward[-1].weight.any()
    assert not net.critics.last.weight.any()


def test_reward_and_critics_say_zero_at_the_start():
    net, both = built().networks, torch.randn(7, 18, generator=generator())
    assert net.code.decode(net.reward(both)).abs().max() < 1e-5
    assert net.code.decode(net.critics(both)).abs().max() < 1e-5


# Critics


def warm(members: int = 5, dropout: float = 0.0) -> Ensemble:
    """Critics whose every parameter is noise."""
    critics = Ensemble(6, 16, 4, members, dropout)
    for parameter in critics.parameters():
        nn.init.normal_(parameter, generator=generator(parameter.numel()))
    return critics


def test_the_batched_members_are_separate_networks():
    critics, x = warm(3), torch.randn(7, 6, generator=generator())
    for member in range(3):
        y = x
        for layer in (critics.first, critics.second):
            y = functional.layer_norm(y @ layer.weight[member] + layer.bias[member], (16,))
            y = functional.mish(y * layer.scale[member] + layer.offset[member])
        y = y @ critics.last.weight[member] + critics.last.bias[member]
        assert torch.allclose(critics(x)[member], y, atol=1e-4)
    index = torch.tensor([2, 0])
    assert torch.allclose(critics(x, index), critics(x)[index], atol=1e-6)


def test_two_members_are_distinct_and_uniform():
    """Of members that say 1 ... 5: E[min] = 2 and E[mean] = 3."""
    critics, drawn = warm(), generator()
    pairs = torch.stack([critics.two(drawn) for _ in range(3000)])
    assert (pairs[:, 0] != pairs[:, 1]).all()
    values = 1.0 + pairs
    assert float(values.amin(1).mean()) == pytest.approx(2.0, abs=0.06)
    assert float(values.mean()) == pytest.approx(3.0, abs=0.06)


def test_a_pair_of_members_gets_no_gradient():
    critics, x = warm(), torch.randn(7, 6, generator=generator()).requires_grad_()
    critics(x, torch.tensor([0, 1])).sum().backward()
    assert x.grad is not None and x.grad.any()
    assert all(parameter.grad is None for parameter in critics.parameters())


def test_dropout_differs_between_members_and_keeps_the_mean(monkeypatch):
    critics = warm(2, dropout=0.25)
    for parameter in critics.parameters():
        parameter.data[1:] = parameter.data[:1]
    x = torch.randn(50, 6, generator=generator())
    assert torch.equal(critics(x)[0], critics(x)[1])
    assert not torch.equal(*critics(x, generator=generator()))
    layer, before_norm = critics.first, []
    monkeypatch.setattr(functional, "layer_norm", lambda tensor, shape: before_norm.append(tensor) or tensor)
    layer(x.expand(2, 50, 6))
    layer(x.expand(2, 50, 6), generator=generator())
    whole, dropped = before_norm
    kept = dropped != 0
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.03)
    assert torch.allclose(dropped[kept], whole[kept] / 0.75)


# The policy prior


def test_the_policys_deviation_is_bounded():
    policy = built().networks.policy
    policy.net = nn.Sequential(nn.Identity())
    mean = torch.zeros(3, 2)
    for raw, log_std in ((0.0, -4.0), (-50.0, -10.0), (50.0, 2.0)):
        assert torch.allclose(policy(torch.cat([mean, mean + raw], -1))[1], torch.full((3, 2), log_std))
    action, noise, log_std = policy.sample(torch.randn(3, 4, generator=generator()), generator(1))
    assert action.abs().max() < 1
    expected = torch.distributions.Normal(0, log_std.exp()).log_prob(noise * log_std.exp()).sum(-1)
    assert torch.allclose(gaussian_log_probability(noise, log_std), expected, atol=1e-5)


def test_the_spread_is_between_the_fifth_and_the_ninety_fifth_percentile():
    for count in (1, 2, 7, 256):
        x = torch.randn(count, generator=generator(count))
        expected = torch.quantile(x, 0.95) - torch.quantile(x, 0.05)
        assert torch.allclose(spread(x), expected, atol=1e-6)


# Sizes


def counts(obs: int, actions: int, variant: dict[str, object] | None = None) -> list[int]:
    """Parameters of encoder, dynamics, reward, policy and critics, counted on the meta device."""
    with torch.device("meta"):
        task = control(obs, actions)
        net = Networks(config(task, "paper", **(variant or {})), task)
    parts = (net.encoder, net.dynamics, net.reward, net.policy, net.critics)
    return [sum(p.numel() for p in part.parameters()) for part in parts]


def test_the_parameters_of_walker_and_dog():
    assert counts(24, 6) == [139_520, 794_112, 582_245, 533_516, 2_911_225]
    assert sum(counts(24, 6)) == 4_960_618
    assert counts(223, 38) == [190_464, 810_496, 598_629, 566_348, 2_993_145]
    assert sum(counts(223, 38)) == 5_159_082


@pytest.mark.parametrize(
    ("size", "millions"), [("1M", 1.43), ("5M", 5.38), ("19M", 19.0), ("48M", 48.8), ("317M", 317.4)]
)
def test_the_published_sizes(size, millions):
    """Published for 39 observations, 6 actions and an embedding of 96 numbers that every network sees. Ours has none:
    it is counted as 96 more observations and actions, less what the policy would then put out too many."""
    width = SIZES[size]["width"]
    total = sum(counts(39 + 96, 6 + 96, dict(SIZES[size]))) - 2 * 96 * (width + 1) + 96 * width
    assert total / 1e6 == pytest.approx(millions, rel=0.004)


def test_images_shrink_to_sixteen_numbers_per_channel():
    net = Networks(config(IMAGE, "paper"), IMAGE)
    z = net.encoder({"image": torch.randint(256, (2, 3, 64, 64, 9), dtype=torch.uint8)})
    assert z.shape == (2, 3, 512)
    assert torch.allclose(z.unflatten(-1, (64, 8)).sum(-1), torch.ones(2, 3, 64), atol=1e-5)
    assert sum(p.numel() for p in net.encoder.parameters()) == sum(
        32 * (inputs * k * k + 1) for inputs, k in ((9, 7), (32, 5), (32, 3), (32, 3))
    )


def test_the_image_gain_multiplies_the_convolutions_first_weights_alone():
    plain, louder = (built(IMAGE, image_gain=gain).networks.encoder.net for gain in (1.0, 3.0))
    for one, other in zip(plain[::2], louder[::2], strict=True):
        torch.testing.assert_close(other.weight, 3 * one.weight)
        assert torch.equal(other.bias, one.bias)


def test_an_image_is_shifted_whole_with_its_border_repeated():
    image = torch.arange(64).repeat(64, 1)[..., None].repeat(300, 1, 1, 2).byte()  # every pixel shows its column
    moved = shifted(image, 3, generator())
    offsets = moved[:, 10, 20, 0].int() - 20
    assert set(offsets.tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    columns = (torch.arange(64) + offsets[:, None]).clamp(0, 63)
    assert torch.equal(moved.int(), columns[:, None, :, None].expand_as(moved).int())
    assert not torch.equal(shifted(image, 3, generator(1)), moved)
