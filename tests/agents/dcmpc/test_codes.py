"""Codes, their indices and distributions, sizes and first weights, against the constants of the published code."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.agents.dcmpc.fsq import FSQ
from bench.agents.dcmpc.latents import Codes, Numbers, latents
from bench.agents.dcmpc.networks import Networks
from bench.tests.agents.dcmpc.subjects import built, config, control, generator

FINE = torch.linspace(-6, 6, 12_001)[None]  # one channel, many slots
ODD = FSQ((5, 3))


def one(levels: int, x: torch.Tensor) -> torch.Tensor:
    return FSQ((levels,))(x)[0]


# Finite scalar quantisation


def test_the_codebook_of_5_and_3_levels():
    codes = ODD.table.T
    assert ODD.codes == 15
    assert len({tuple(code) for code in codes.tolist()}) == 15
    assert set(codes[:, 0].tolist()) == {-1, -0.5, 0, 0.5, 1}
    assert set(codes[:, 1].tolist()) == {-1, 0, 1}
    assert codes.tolist() == [[(i % 5 - 2) / 2, i // 5 - 1] for i in range(15)]


@pytest.mark.parametrize("levels", [(5, 3), (8, 4), (2, 2), (7,), (4, 3, 5)])
def test_codes_and_indices_are_one_to_one(levels):
    fsq = FSQ(levels)
    index = torch.arange(fsq.codes)
    assert fsq.codes == math.prod(levels)
    assert torch.equal(fsq.index(fsq.code(index)), index)
    assert torch.equal(fsq.code(index), fsq.table)
    one_hot = functional.one_hot(index, fsq.codes).float()
    assert torch.equal(one_hot @ fsq.table.T, fsq.code(index).T)
    drawn = fsq(2 * torch.randn(6, len(levels), 40, generator=generator()))
    assert torch.equal(fsq.code(fsq.index(drawn)), drawn)


@pytest.mark.parametrize(("levels", "edges"), [(5, [0.2551, 0.9712]), (3, [0.5486])])
def test_a_code_changes_at_these_numbers(levels, edges):
    code = one(levels, FINE)
    jumps = FINE[0, 1:][code.diff() != 0]
    expected = sorted([-edge for edge in edges] + edges)
    assert jumps.tolist() == pytest.approx(expected, abs=1.5e-3)


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 8, 25])
def test_every_number_of_levels_gives_so_many_values(levels):
    code = one(levels, FINE)
    assert (code.diff() >= 0).all()
    assert len(code.unique()) == levels
    highest = 1 - 2 / levels if levels % 2 == 0 else 1
    assert (float(code.min()), float(code.max())) == (-1, pytest.approx(highest))


@pytest.mark.parametrize("levels", [3, 5, 4, 8])
def test_the_gradient_is_that_of_the_bounded_number(levels):
    x = torch.tensor([[-1.3, -0.5, 0.0, 0.2, 0.9]], requires_grad=True)
    one(levels, x).sum().backward()
    half = (levels - 1) * 1.001 / 2
    shift = math.atanh(0.5 / half) if levels % 2 == 0 else 0.0
    expected = half * (1 - torch.tanh(x.detach() + shift) ** 2) / (levels // 2)
    assert torch.allclose(x.grad, expected, atol=1e-6)
    assert (x.grad > 0).all()
    if levels % 2:
        assert float(x.grad[0, 2]) == pytest.approx(1.001, abs=1e-5)


def test_quantising_a_code_again_gives_it_back_with_5_and_3_levels_and_not_with_8():
    assert torch.equal(ODD(ODD.table), ODD.table)
    assert float(one(8, torch.tensor([[0.75]]))[0]) == 0.5


# Predicted codes


def codes(**diff: object) -> Codes:
    found = latents(config(control(), **{"slots": 8, **diff}))
    assert isinstance(found, Codes)
    return found


def table_rows(z: torch.Tensor, model: Codes) -> torch.Tensor:
    """Per code of latents [B, D], whether it is in the codebook."""
    code = z.unflatten(-1, (2, -1)).movedim(-2, -1)
    return (code[..., None, :] == model.fsq.table.T).all(-1).any(-1)


def test_the_expected_code_is_the_mean_under_the_distribution():
    model, logits = codes(), 3 * torch.randn(5, 15, 8, generator=generator())
    expected = torch.einsum("nkd,ck->ncd", logits.softmax(1), model.fsq.table).flatten(1)
    found = model.after(logits.flatten(1), "expected", generator())
    assert torch.allclose(found, expected, atol=1e-6)
    assert (found.abs() <= 1).all()
    certain = torch.full((1, 15, 8), -1e4).scatter(1, torch.arange(8)[None, None], 0.0)
    assert torch.equal(model.after(certain.flatten(1), "expected", generator())[0], model.fsq.table[:, :8].flatten())


@pytest.mark.parametrize("how", ["sample", "mode"])
def test_a_chosen_code_is_in_the_codebook_and_its_gradient_reaches_the_logits(how):
    model, logits = codes(), torch.randn(5, 15 * 8, generator=generator(), requires_grad=True)
    z = model.after(logits, how, generator(1))
    assert table_rows(z.detach(), model).all()
    (z * torch.randn(5, 16, generator=generator(2))).sum().backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad.unflatten(1, (15, 8)).abs().sum(1) > 0).all()


def test_codes_are_drawn_in_proportion_to_their_probability():
    model = codes(slots=20_000)
    logits = torch.randn(15, generator=generator())
    z = model.after(logits[:, None].expand(15, 20_000).reshape(1, -1), "sample", generator(1))
    share = model.fsq.index(z.unflatten(-1, (2, -1)))[0].bincount(minlength=15) / 20_000
    assert torch.allclose(share, logits.softmax(0), atol=0.01)


def test_the_gradient_of_a_drawn_code_is_the_straight_through_gumbel_softmax():
    model, weight = codes(), torch.randn(5, 16, generator=generator(3))
    logits = torch.randn(5, 15, 8, generator=generator(), requires_grad=True)
    (model.after(logits.flatten(1), "sample", generator(1)) * weight).sum().backward()
    gumbel = -torch.rand(5, 15, 8, generator=generator(1)).log().neg().log()
    other = logits.detach().clone().requires_grad_()
    soft = (other + gumbel).softmax(1)
    (torch.einsum("nkd,ck->ncd", soft, model.fsq.table).flatten(1) * weight).sum().backward()
    assert torch.allclose(logits.grad, other.grad, atol=1e-5)


def test_the_likeliest_code():
    model, logits = codes(), torch.randn(5, 15, 8, generator=generator())
    z = model.after(logits.flatten(1), "mode", generator())
    assert torch.equal(model.fsq.index(z.unflatten(-1, (2, 8))), logits.argmax(1))
    same = model.after(torch.zeros(1, 15 * 8), "mode", generator())  # where all are as likely, the first
    assert torch.equal(model.fsq.index(same.unflatten(-1, (2, 8))), torch.zeros(1, 8, dtype=torch.long))


def test_the_loss_is_the_cross_entropy_of_the_codes():
    model, logits = codes(), torch.randn(5, 15, 8, generator=generator())
    index = torch.randint(15, (5, 8), generator=generator(1))
    seen = model.fsq.code(index).flatten(1)
    expected = [
        sum(-float(logits[n, :, slot].log_softmax(0)[index[n, slot]]) for slot in range(8)) / 8 for n in range(5)
    ]
    assert model.loss(logits.flatten(1), seen, seen).tolist() == pytest.approx(expected, rel=1e-5)
    uniform = model.loss(torch.zeros(5, 15 * 8), seen, seen)
    assert uniform.tolist() == pytest.approx([math.log(15)] * 5)
    assert math.log(15) == pytest.approx(2.708, abs=1e-3)


def test_even_levels_are_predicted_too():
    model = codes(levels=[8, 4])
    seen = model.encoded(torch.randn(5, 16, generator=generator()))
    assert model.outputs == 32 * 8
    assert model.loss(torch.zeros(5, 32 * 8), seen, seen).tolist() == pytest.approx([math.log(32)] * 5)
    assert model.after(torch.randn(5, 32 * 8), "sample", generator()).shape == (5, 16)


# Ablations


@pytest.mark.parametrize("bottleneck", ["fsq", "simnorm", "none"])
def test_numbers_pass_the_encoders_bottleneck_and_are_judged_by_squared_errors(bottleneck):
    model = latents(config(control(), slots=8, consistency="mse", bottleneck=bottleneck))
    assert isinstance(model, Numbers)
    raw, seen = torch.randn(5, 16, generator=generator()), torch.randn(5, 16, generator=generator(1))
    z = model.encoded(raw)
    assert torch.equal(model.after(raw, "sample", generator()), z)
    assert torch.allclose(model.loss(raw, z, seen), ((z - seen) ** 2).mean(1))
    expected = {
        "fsq": ODD(raw.unflatten(1, (2, 8))).flatten(1),
        "simnorm": raw.unflatten(1, (2, 8)).softmax(-1).flatten(1),
        "none": raw,
    }[bottleneck]
    assert torch.allclose(z, expected, atol=1e-6)


# Sizes and first weights


def test_parameters_of_walker_are_the_published_ones():
    with torch.device("meta"):
        net = Networks(config(control(), "paper"), control())
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    assert parts == {
        "latents": 0, "encoder": 270_080, "dynamics": 4_732_416, "reward": 793_089, "actor": 792_582,
        "critics": 3_965_445,
    }  # fmt: skip
    assert sum(parts.values()) == 10_553_612


@pytest.mark.parametrize(
    ("name", "size", "actions", "total"),
    [("dmc-state/humanoid_walk", 67, 21, 19_023_387), ("dmc-state/dog_run", 223, 38, 19_132_972)],
)
def test_parameters_of_the_large_ones(name, size, actions, total):
    task = control(name, size, actions)
    with torch.device("meta"):
        net = Networks(config(task, "paper"), task)
    assert sum(p.numel() for p in net.parameters()) == total


def test_all_weights_begin_as_torch_begins_a_linear_layer():
    net = built(width=64, slots=32).networks
    linears = [m for part in (net.encoder, net.dynamics, net.reward, net.actor) for m in part.modules()]
    weights = [(m.weight, m.in_features) for m in linears if isinstance(m, nn.Linear)]
    weights += [(m.weight, m.weight.shape[1]) for m in (net.critics.first, net.critics.second, net.critics.last)]
    for weight, inputs in weights:
        assert float(weight.detach().abs().max()) == pytest.approx(inputs**-0.5, rel=0.05)
        assert float(weight.detach().std()) == pytest.approx((3 * inputs) ** -0.5, rel=0.15)
    assert net.critics.first.bias.any()


@pytest.mark.parametrize(("bound", "low", "high"), [(2.0, 0.0, 2.0), (0.0, -20.0, 20.0)])
def test_rewards_are_bounded_where_the_task_bounds_them(bound, low, high):
    net = built(reward_bound=bound).networks
    net.reward[-1].weight.data.mul_(1000)
    value = net.rewards(torch.randn(200, 18, generator=generator())).detach()
    assert low <= float(value.min()) < float(value.max()) <= high or not bound
    assert bool((value.abs() > 2).any()) is not bool(bound)
