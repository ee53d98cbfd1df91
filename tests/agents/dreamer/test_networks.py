"""DreamerV3's networks against the specification's counts and constants."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.nn import functional

from bench.agents.api import Task
from bench.agents.common.config import merge
from bench.agents.dreamer.actor import Actor
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.layers import BlockLinear, DoublingConv, Linear
from bench.agents.dreamer.networks import Continue, Scalar
from bench.agents.dreamer.rssm import RSSM, Latent
from bench.agents.dreamer.update import Networks
from bench.agents.dreamer.variants import SIZES


def box(*shape: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, shape, np.float32)


def task(observation: dict[str, spaces.Space], actions: int | None = None) -> Task:
    action = spaces.Discrete(actions) if actions else spaces.Box(-1, 1, (6,), np.float32)
    return Task("counted", spaces.Dict(observation), action, 1, None, False)


def image(size: int, channels: int) -> dict[str, spaces.Space]:
    return {"image": spaces.Box(0, 255, (size, size, channels), np.uint8)}


WALKER = {"orientations": box(14), "height": box(1), "velocity": box(9)}
ORDER = ("encoder", "rssm", "representation", "reward", "going_on", "actor", "value")


@pytest.mark.parametrize(
    ("size", "where", "total", "parts"),
    [
        ("1M", task(WALKER), 640_867, (10_112, 364_416, 51_096, 57_663, 41_153, 50_316, 66_111)),
        ("1M", task(image(64, 3)), 686_846, None),
        ("12M", task(WALKER), 9_738_019, None),
        ("12M", task(image(64, 3)), 10_494_158, (220_416, 5_979_648, 1_272_003, 721_407, 656_129, 791_052, 853_503)),
        ("25M", task(image(64, 3)), 23_489_326, None),
        ("50M", task(image(64, 3)), 41_650_062, None),
        ("100M", task(image(64, 3)), 93_468_238, None),
        (
            "200M",
            task(image(64, 3)),
            165_948_686,
            (3_492_864, 95_483_904, 20_282_115, 10_749_183, 10_488_833, 12_601_356, 12_850_431),
        ),
        ("200M", task(image(64, 3), 18), 165_967_124, None),
        ("200M", task(image(96, 1), 18), 186_936_082, None),
        ("400M", task(image(64, 3)), 372_896_398, None),
    ],
)
def test_parameter_counts(size, where, total, parts):
    with torch.device("meta"):
        networks = Networks(merge(DreamerConfig, SIZES[size]), where)
    assert sum(p.numel() for p in networks.parameters()) == total
    if parts:
        assert tuple(sum(p.numel() for p in getattr(networks, name).parameters()) for name in ORDER) == parts


def test_layers_start_with_unit_variance_and_cut_tails():
    torch.manual_seed(0)
    weight = Linear(400, 1000).weight
    assert weight.std().item() == pytest.approx(400**-0.5, rel=0.01)
    assert weight.abs().max() <= 2 * 1.1368 * 400**-0.5
    assert BlockLinear(400, 4000, 8).weight.std().item() == pytest.approx(400**-0.5, rel=0.02)  # the full fan-in


def test_a_doubling_convolution_is_nearest_pixels_and_then_a_convolution():
    torch.manual_seed(0)
    layer = DoublingConv(3, 4)
    torch.nn.init.normal_(layer.bias)
    image = torch.randn(2, 3, 4, 6, requires_grad=True)
    doubled = functional.interpolate(image, scale_factor=2)
    expected = functional.conv2d(doubled, layer.weight, layer.bias, padding=2)
    torch.testing.assert_close(layer(image), expected, rtol=1e-5, atol=1e-5)
    weights, inputs = torch.randn_like(expected), [image, layer.weight, layer.bias]
    gradients = [torch.autograd.grad((output * weights).sum(), inputs) for output in (layer(image), expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_a_block_linear_is_linear_maps_side_by_side():
    torch.manual_seed(0)
    layer = BlockLinear(8 + 8 * 3, 16, 8)  # one input of its own and three shared ones per block
    torch.nn.init.normal_(layer.bias)
    own, shared = torch.randn(5, 8), torch.randn(5, 3)
    inputs = torch.stack([torch.cat([own[:, g : g + 1], shared], 1) for g in range(8)], 1)
    expected = torch.cat([inputs[:, g] @ layer.weight[g] for g in range(8)], 1) + layer.bias
    assert torch.allclose(layer(inputs.flatten(1)), expected, atol=1e-6)
    assert torch.allclose(layer.forward_shared(own, shared, layer.cut(8)), expected, atol=1e-6)


def rssm() -> RSSM:
    torch.manual_seed(0)
    return RSSM(merge(DreamerConfig, {"units": 16, "deter": 64, "classes": 4, "latents": 3}), 2, 5)


def core(model: RSSM, state: Latent, action: torch.Tensor) -> torch.Tensor:
    return model.core(state, model.embed(action), model.hidden.cut(model.deter))


def test_the_gates_of_the_recurrent_core():
    model = rssm()
    state, action = Latent(torch.randn(2, 64), torch.rand(2, 3, 4)), torch.randn(2, 2)
    with torch.no_grad():
        model.gates.weight.zero_()
        assert torch.allclose(core(model, state, action), 0.731059 * state.deter, atol=1e-5)
        model.gates.bias[16:24] = 100  # block 0: 8 resets, 8 candidates, 8 updates
        assert torch.allclose(core(model, state, action)[:, :8], torch.zeros(2, 8))
        assert torch.allclose(core(model, state, action)[:, 8:], 0.731059 * state.deter[:, 8:], atol=1e-5)
        model.gates.bias[8:16] = 0.3  # the reset (sigmoid(0)) multiplies the candidate before its tanh
        assert torch.allclose(core(model, state, action)[:, :8], torch.full((2, 8), math.tanh(0.15)), atol=1e-6)


def test_actions_beyond_one_count_as_clipped():
    model = rssm()
    state = Latent(torch.randn(1, 64), torch.rand(1, 3, 4))
    far = torch.tensor([[3.0, -0.5]], requires_grad=True)
    near = torch.tensor([[1.0, -0.5]])
    assert torch.equal(core(model, state, far), core(model, state, near))
    (gradient,) = torch.autograd.grad(core(model, state, far).sum(), far)
    near.requires_grad_()
    (expected,) = torch.autograd.grad(core(model, state, near).sum(), near)
    assert torch.allclose(gradient, expected / torch.tensor([3.0, 1.0]), atol=1e-6)  # the divisor carries none


def test_a_reset_forgets_what_came_before():
    model = rssm()
    generator = torch.Generator().manual_seed(1)
    tokens, action, noise = (torch.randn(2, 6, size, generator=generator) for size in (5, 2, 3))
    noise = noise.sigmoid()
    first = torch.zeros(2, 6, dtype=torch.bool)
    first[:, 3] = True
    before = Latent(torch.randn(2, 64), torch.rand(2, 3, 4))
    whole, q = model.infer(before, tokens, action, first, noise)
    fresh, p = model.infer(model.initial(2), tokens[:, 3:], action[:, 3:], first[:, 3:], noise[:, 3:])
    assert torch.allclose(whole.feature[:, 3:], fresh.feature, atol=1e-6)
    assert torch.allclose(q[:, 3:], p, atol=1e-6)
    going_on, _ = model.infer(before, tokens, action, torch.zeros_like(first), noise)
    assert not torch.allclose(going_on.deter[:, 3:], fresh.deter, atol=1e-3)


def test_the_posteriors_split_product_is_the_layer_on_both_inputs():
    model = rssm()
    tokens, action = torch.randn(2, 1, 5), torch.randn(2, 1, 2)
    first = torch.ones(2, 1, dtype=torch.bool)
    states, q = model.infer(model.initial(2), tokens, action, first, torch.rand(2, 1, 3))
    x = model.posterior_layer(torch.cat([states.deter, tokens], -1))
    expected = 0.99 * model.posterior_logits(x).unflatten(-1, (3, 4)).softmax(-1) + 0.01 / 4
    assert torch.allclose(q, expected, atol=1e-6)


SMALL = merge(DreamerConfig, {"units": 16, "deter": 64, "classes": 4, "latents": 3})


def test_reward_and_value_start_at_exactly_zero():
    for layers in (1, 3):
        head = Scalar(SMALL, layers)
        assert torch.equal(head.mean(torch.randn(7, 76) * 100), torch.zeros(7))


def test_the_continue_head_learns_a_soft_target():
    head, logit = Continue(SMALL), math.log((1 - 1 / 333) * 333)
    loss = head.loss(torch.tensor([logit]), torch.tensor([1 - 1 / 333]))
    entropy = -(1 - 1 / 333) * math.log(1 - 1 / 333) - math.log(1 / 333) / 333
    assert loss.item() == pytest.approx(entropy, abs=1e-5)  # at its own target a cross-entropy is the entropy


def test_the_continuous_policy_is_a_bounded_normal():
    actor = Actor(SMALL, task(WALKER))
    with torch.no_grad():
        for layer in actor.outputs.values():
            layer.weight.zero_()
    policy = actor(torch.randn(3, 76))
    assert torch.equal(policy["mean"], torch.zeros(3, 6))
    assert torch.allclose(policy["deviation"], torch.full((3, 6), 0.892717), atol=1e-6)
    assert torch.allclose(actor.entropy(policy), torch.full((3,), 6 * 1.305453), atol=1e-4)
    action = torch.randn(3, 6)
    normal = torch.distributions.Normal(policy["mean"], policy["deviation"])
    assert torch.allclose(actor.logprob(policy, action), normal.log_prob(action).sum(-1), atol=1e-5)
    with torch.no_grad():
        for bias, limit in ((-50.0, 0.1), (50.0, 1.0)):
            actor.outputs["deviation"].bias.fill_(bias)
            assert torch.allclose(actor(torch.randn(3, 76))["deviation"], torch.tensor(limit))


def test_the_discrete_policy_mixes_in_the_uniform_one_where_asked():
    for uniform in (0.0, 0.01):
        actor = Actor(merge(SMALL, {"actor_unimix": uniform}), task(WALKER, 5))
        with torch.no_grad():
            actor.outputs["logits"].bias[0] = 1000
        policy = actor(torch.randn(2, 76))
        assert policy["logprob"][0, 1].exp().item() == pytest.approx(uniform / 5, abs=1e-7)
        (slope,) = torch.autograd.grad(actor.entropy(policy).sum(), actor.outputs["logits"].bias, retain_graph=True)
        assert slope.isfinite().all()  # where probabilities are exactly 0
        action = actor.sample(policy, torch.tensor([0.5, 0.5]))
        assert action.tolist() == [[1, 0, 0, 0, 0]] * 2
        assert actor.logprob(policy, action)[0].item() == pytest.approx(math.log(1 - 0.8 * uniform), abs=1e-5)


def test_images_and_vectors_come_back_in_their_shapes_and_units():
    torch.manual_seed(0)
    for size, channels in ((64, 3), (96, 1)):
        config = merge(SMALL, {"depth": 2})
        networks = Networks(config, task({**image(size, channels), "vector": box(4)}))
        seen = {"image": torch.randint(0, 256, (2, 3, size, size, channels), dtype=torch.uint8)}
        seen["vector"] = torch.full((2, 3, 4), 50.0)
        tokens = networks.encoder(seen)
        assert tokens.shape == (2, 3, 16 + 8 * (size // 16) ** 2)
        decoded = networks.representation.decoder(Latent(torch.randn(2, 3, 64), torch.rand(2, 3, 3, 4)))
        assert decoded["image"].shape == seen["image"].shape
        errors = networks.representation.decoder.losses(decoded, seen)
        difference = decoded["image"] - seen["image"] / 255
        assert torch.allclose(errors["image"], difference.square().sum((2, 3, 4)), rtol=1e-5)
        assert torch.allclose(errors["vector"], (decoded["vector"] - math.log(51)).square().sum(-1), rtol=1e-5)
        observed = networks.representation.decoder.as_observed({**decoded, "vector": torch.tensor([math.log(51)])})
        assert observed["vector"].item() == pytest.approx(50, rel=1e-5)
        assert torch.equal(observed["image"], decoded["image"] * 255)


def test_the_images_first_layer_is_laid_out_by_blocks():
    config = merge(SMALL, {"depth": 4})
    decoder = Networks(config, task(image(64, 3))).representation.decoder
    kept: list[torch.Tensor] = []
    decoder.start.register_forward_hook(lambda _, inputs, __: kept.append(inputs[0]))
    with torch.no_grad():
        decoder.from_stoch[1].weight.zero_()
        decoder.from_deter.weight.zero_()
        decoder.from_deter.bias.copy_(torch.arange(4 * 4 * 16))
    decoder(Latent(torch.zeros(1, 64), torch.zeros(1, 3, 4)))
    block, height, width, channel = 3, 2, 1, 1  # two channels per block
    assert kept[0][0, 2 * block + channel, height, width] == block * 32 + height * 8 + width * 2 + channel
