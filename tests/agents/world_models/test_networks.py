"""V, M and C against their published sizes and against torch's own distributions."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from bench.agents.common.hostsync import no_host_sync
from bench.agents.world_models import vae
from bench.agents.world_models.controller import Controller, act, told
from bench.agents.world_models.mdn_rnn import MDNRNN, Mixture, Recurrent
from bench.agents.world_models.vae import Code, ImageVAE, VectorVAE
from bench.tests.agents.world_models.subjects import generator

# Sizes


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_published_parameter_counts():
    with torch.device("meta"):
        assert [count(ImageVAE(latent)) for latent in (32, 64)] == [4_348_547, 4_446_915]
        assert count(MDNRNN(32, 3, 256, 5, end=False, reward="none")) == 422_368
        assert count(MDNRNN(64, 1, 512, 5, end=True, reward="alive")) == 1_678_785


@pytest.mark.parametrize(
    ("size", "controller"),
    [
        (867, Controller(32 + 256, 3)),
        (1088, Controller(64 + 512 + 512, 1, bias=False)),
        (99, Controller(32, 3)),
        (1443, Controller(32, 3, units=40)),
    ],
)
def test_controllers_are_as_large_as_published_and_split_without_loss(size, controller):
    assert controller.size == size
    flat = torch.arange(2 * size, dtype=torch.float32).view(2, size)
    parts = [part for layer in controller.split(flat) for part in layer if part is not None]
    assert torch.equal(torch.cat([part.flatten(1) for part in parts], dim=1), flat)


def test_a_flat_controller_holds_the_bias_then_the_weights_input_by_input():
    controller, flat = Controller(2, 3), torch.tensor([[1.0, 2, 3, 10, 20, 30, 100, 200, 300]])
    assert controller(flat, torch.tensor([[[1.0, 0], [0, 1]]])).tolist() == [[[11, 22, 33], [101, 202, 303]]]


def test_v_has_the_shapes_of_the_figure():
    shapes = []
    net = ImageVAE(32)
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
    z = net.encode({"image": torch.zeros(1, 64, 64, 3, dtype=torch.uint8)}).mu
    picture = net.decode(100 * torch.randn(1, 32, generator=generator()))
    assert z.shape == (1, 32)
    assert shapes[:4] == [(32, 31, 31), (64, 14, 14), (128, 6, 6), (256, 2, 2)]
    assert shapes[4:] == [(128, 5, 5), (64, 13, 13), (32, 30, 30), (3, 64, 64)]
    assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0


# V


class Told(VectorVAE):
    """Says a code of its own and rebuilds nothing."""

    code = Code(torch.zeros(2, 3), torch.zeros(2, 3))

    def _code(self, inputs):
        return self.code

    def decode(self, z):
        return torch.zeros(2, 5)


def test_v_sums_over_numbers_and_gives_kl_for_free_below_the_floor():
    net, ones = Told({"vector": 5}, 3, 4), {"vector": torch.ones(2, 5)}
    loss = net.loss(ones, 0.5, 2.0, generator())
    assert (loss.total.item(), loss.error.item(), loss.kl.item()) == (2 * 5 + 0.5 * 3, 5, 0)
    net.code = Code(torch.tensor([[2.0, 0, 0], [0, 0, 0]]), torch.zeros(2, 3))  # 2 nats and none: floored one by one
    assert net.loss(ones, 0.5, 0.0, generator()).total.item() == pytest.approx((2 + 1.5) / 2)


def test_v_of_vectors_gives_back_what_it_standardised():
    net = VectorVAE({"b": 2, "a": 1}, 3, 4)
    seen = {"a": torch.randn(50, 1, generator=generator()) * 9 + 4, "b": torch.randn(50, 2, generator=generator(1))}
    net.standardise(seen)
    inputs = net.inputs(seen)
    torch.testing.assert_close(inputs.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std(0, correction=0), torch.ones(3))
    again = net.observed(inputs)
    for key, value in seen.items():
        torch.testing.assert_close(again[key], value)


def test_layers_begin_as_tensorflows():
    net = ImageVAE(32)
    assert all(not layer.bias.any() for layer in net.modules() if isinstance(layer, torch.nn.Conv2d))
    limit = (6 / (1024 + 32)) ** 0.5
    assert 0.95 * limit < net.mu.weight.abs().max() <= limit


# M


def mixture(*shape: int, dtype: torch.dtype = torch.float64, shift: float = 0.0) -> Mixture:
    parts = torch.randn(3, *shape, dtype=dtype, generator=generator())
    return Mixture(parts[0] + shift, parts[1], parts[2])


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_the_likelihood_is_torchs_mixture(dtype, atol):
    z = torch.randn(7, 4, dtype=dtype, generator=generator(1))
    said = mixture(7, 5, 4, dtype=dtype)
    logits, mean, log_sd = (part.movedim(1, -1) for part in said)
    expected = -MixtureSameFamily(Categorical(logits=logits), Normal(mean, log_sd.exp())).log_prob(z)
    torch.testing.assert_close(said.nll(z), expected, atol=atol, rtol=0)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(Mixture(*(part[:, order] for part in said)).nll(z), expected, atol=atol, rtol=0)
    torch.testing.assert_close(said._replace(logits=said.logits + 1e3).nll(z), expected, atol=1e-3, rtol=0)
    if dtype == torch.float64:
        torch.testing.assert_close(said._replace(logits=said.logits + 1e3).nll(z), expected, atol=1e-10, rtol=0)


def test_the_likelihoods_known_values():
    standard = Mixture(*torch.zeros(3, 1, 1, dtype=torch.float64))
    assert standard.nll(torch.zeros(1, dtype=torch.float64)).item() == pytest.approx(0.9189385, abs=1e-7)
    drawn = torch.randn(100_000, 1, generator=generator())
    wide = Mixture(*(part.expand(100_000, 1, 1) for part in standard))
    assert wide.nll(drawn).mean().item() == pytest.approx(1.4189, abs=0.01)


def test_the_gradient_is_finite_where_a_number_hardly_varies():
    parts = [torch.zeros(1, 5, 1, requires_grad=True), torch.zeros(1, 5, 1, requires_grad=True)]
    log_sd = torch.full((1, 5, 1), -7.0, requires_grad=True)
    Mixture(parts[0], parts[1], log_sd).nll(torch.full((1, 1), 1e3)).sum().backward()
    assert all(torch.isfinite(part.grad).all() for part in (*parts, log_sd))


def test_sampling_at_a_temperature():
    draws, tau = 200_000, 1.7
    said = Mixture(torch.tensor([[0.3], [-0.5], [1.0]]), torch.tensor([[-9.0], [0.0], [9.0]]), torch.zeros(3, 1))
    uniform, normal = torch.rand(draws, 3, 1, generator=generator()), torch.randn(draws, 1, generator=generator(1))
    z = said.sample(tau, uniform, normal)[:, 0]
    share = torch.histc(z, 3, -13.5, 13.5) / draws
    torch.testing.assert_close(share, torch.softmax(said.logits[:, 0] / tau, 0), atol=0.005, rtol=0)
    assert z[z > 4.5].var().item() == pytest.approx(tau, rel=0.05)
    assert said.sample(1e-4, uniform[:9], normal[:9]).sub(9).abs().max() < 0.05  # of the likeliest component
    assert torch.equal(said.sample(tau, uniform, normal)[:, 0], z)


def test_the_unrolled_lstm_is_its_cell_step_by_step():
    net = MDNRNN(3, 2, 8, 2, end=False, reward="none")
    inputs, never = torch.randn(999, 4, 5, generator=generator()), torch.zeros(999, 4, dtype=torch.bool)
    with torch.no_grad():
        unrolled, last = net(inputs, never, net.initial(4))
        state = net.initial(4)
        for number, row in enumerate(inputs):
            state = net.step(row, state)
            torch.testing.assert_close(unrolled[number], state.h, atol=1e-5, rtol=0)
    torch.testing.assert_close(last.c, state.c, atol=1e-5, rtol=0)


def test_the_lstm_is_torchs_with_one_bias():
    net, cell = MDNRNN(3, 2, 8, 2, end=False, reward="none"), torch.nn.LSTMCell(5, 8)
    with torch.no_grad():
        cell.weight_ih.copy_(net.kernel[:5].T)
        cell.weight_hh.copy_(net.kernel[5:].T)
        cell.bias_ih.copy_(net.bias)
        cell.bias_hh.zero_()
    assert net.bias.tolist() == [0] * 8 + [1] * 8 + [0] * 16  # the forget gate's
    x, state = torch.randn(4, 5), Recurrent(torch.randn(4, 8), torch.randn(4, 8))
    for ours, theirs in zip(net.step(x, state), cell(x, tuple(state)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_start_forgets_what_was_before():
    net = MDNRNN(3, 2, 8, 2, end=True, reward="none")
    z, action = torch.randn(2, 6, 1, 3, generator=generator()).unbind(0)
    first = torch.zeros(6, 1, dtype=torch.bool)
    first[3] = True
    action = action[..., :2]
    inputs = net.joined(z, action, first)
    assert inputs.shape == (6, 1, 6) and inputs[3, 0, -1] == 1
    other = inputs.clone()
    other[:3] += 1
    one, two = (net(x, first, net.initial(1))[0] for x in (inputs, other))
    assert not torch.equal(one[2], two[2])
    assert torch.equal(one[3:], two[3:])


def test_outputs_lie_as_the_released_code_has_them_death_first():
    net = MDNRNN(2, 1, 4, 3, end=True, reward="tiles")
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.copy_(torch.arange(1 + 18 + 4) / 10)
    said = net.predict(torch.zeros(1, 4))
    assert said.end.item() == 0
    torch.testing.assert_close(torch.cat([part.flatten() for part in said.z]), torch.arange(1, 19) / 10)
    assert said.z.mean.shape == (1, 3, 2)
    torch.testing.assert_close(said.reward, torch.arange(19, 23)[None] / 10)
    with torch.no_grad():
        net.head.bias.fill_(50)
    assert net.predict(torch.zeros(1, 4)).z.log_sd.max() == 7


# C's outputs


def test_zero_weights_steer_straight_with_half_the_gas_and_no_brake():
    u = Controller(288, 3)(torch.zeros(1, 867), torch.randn(1, 1, 288))
    steer, gas, brake = act("racing", torch.tanh(u))[0, 0].tolist()
    assert (steer, (gas + 1) / 2, (brake + 1) / 2) == (0, 0.5, 0)  # as the task turns [-1, 1] into the game's


@pytest.mark.parametrize("kind", ["racing", "box"])
def test_actions_stay_inside_whatever_the_weights(kind):
    action = act(kind, torch.tanh(1e3 * torch.randn(500, 3, generator=generator())))
    assert action.abs().max() == 1


def test_thirds_and_choices():
    a = torch.tensor([[-0.9], [-0.34], [-0.33], [0.0], [0.33], [0.34], [1.0]])
    assert act("thirds", a).tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert told("thirds", torch.tensor([0, 1, 2]), 3).tolist() == [[-1], [0], [1]]
    assert act("argmax", torch.tensor([[0.1, 0.7, -0.2]])).tolist() == [1]
    assert told("argmax", torch.tensor([[1], [2]]), 3).tolist() == [[[0, 1, 0]], [[0, 0, 1]]]


def test_nothing_waits_for_the_device():
    v, net = VectorVAE({"vector": 5}, 3, 4), MDNRNN(3, 2, 8, 2, end=True, reward="linear")
    z, action, first = torch.randn(6, 2, 3), torch.randn(6, 2, 2), torch.zeros(6, 2, dtype=torch.bool)
    chance = generator()
    with no_host_sync():
        v.loss({"vector": torch.ones(2, 5)}, 0.5, 1.0, chance).total.backward()
        hidden, _ = net(net.joined(z, action, first), first, net.initial(2))
        net.predict(hidden).z.nll(z).mean().backward()


def test_images_and_vectors_have_a_v_each():
    from bench.tests.agents.world_models.subjects import IMAGE, VECTOR, config

    assert isinstance(vae.build(config(VECTOR), VECTOR), VectorVAE)
    net = vae.build(config(IMAGE), IMAGE)
    picture = {"image": torch.from_numpy(np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8))}
    assert torch.equal(net.observed(net.inputs(picture))["image"], picture["image"])
