"""Tokenizers, heads and networks against their equations; sizes as published."""

import math

import pytest
import torch
from torch.nn import functional

from bench.agents.common.twohot import symexp, symlog
from bench.agents.simulus.controller import Controller, log_probability, mean_entropy, sampled
from bench.agents.simulus.heads import Ensemble, jensen_shannon
from bench.agents.simulus.hlgauss import BINS, HLGauss
from bench.agents.simulus.image import ImageTokenizer, losses, scaled
from bench.agents.simulus.levels import VectorLevels, action_levels
from bench.agents.simulus.perceptual import LPIPS, load
from bench.agents.simulus.spec import LPIPS_FILES
from bench.agents.simulus.tokenizers import Tokenizers
from bench.agents.simulus.world import World
from bench.tests.agents.simulus.subjects import atari, config, generator, walker


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_as_many_as_published():
    task = atari(18)
    with torch.device("meta"):
        tokenizers = Tokenizers(config(task, "paper"), task)
        assert count(tokenizers.image.encoder) == 2_732_800
        assert count(tokenizers.image.decoder) == 2_733_059
        assert count(tokenizers.image.codes) == 131_072
        assert count(World(config(task, "paper"), tokenizers)) == 10_817_667
        assert count(Controller(config(task, "paper"), tokenizers, task)) == 4_653_395
        task = walker()
        tokenizers = Tokenizers(config(task, "paper"), task)
        assert count(tokenizers) == 0
        assert count(World(config(task, "paper"), tokenizers)) == 5_635_380  # published: 5.69 M, README
        assert count(Controller(config(task, "paper"), tokenizers, task)) == pytest.approx(2.56e6, abs=5e3)


def test_an_atari_frame_is_8x8_codes_of_256_numbers():
    task = atari()
    with torch.device("meta"):
        net = Tokenizers(config(task, "paper"), task).image
        coded = net(torch.empty(2, 64, 64, 3, dtype=torch.uint8))
    assert coded.encoded.shape == coded.nearest.shape == (2, 256, 8, 8)
    assert coded.tokens.shape == (2, 8, 8)
    assert coded.decoded.shape == (2, 3, 64, 64)
    channels = [layer.out_channels for layer in net.encoder if isinstance(layer, torch.nn.Conv2d)]
    assert channels == [64, 128, 256, 512, 256]
    channels = [layer.out_channels for layer in net.decoder if isinstance(layer, torch.nn.Conv2d)]
    assert channels == [512, 256, 128, 64, 3]


def test_vector_levels():
    levels = VectorLevels()
    support = levels.support
    assert len(support) == 125
    assert (support.diff() > 0).all()
    assert torch.equal(support, -support.flip(0))
    assert support[62] == 0
    assert support[-1] == 6
    assert support[93] == pytest.approx(math.log1p(math.pi))
    assert levels.tokens(torch.tensor([-1e6, 1e6, 0.0])).tolist() == [0, 124, 62]
    x = symexp(torch.linspace(-6, 6, 2001))
    tokens = levels.tokens(x)
    assert (tokens.diff() >= 0).all()
    error = (levels.values(tokens) - symlog(x)).abs()
    spacing = torch.where(x.abs() <= math.pi, 0.0459, 0.1478)
    assert (error <= spacing / 2 + 1e-6).all()
    assert levels.tokens(symexp((support[62] + support[63]) / 2 + 1e-6)) == 63


def test_action_levels():
    levels = action_levels()
    assert levels.values(torch.tensor([0, 25, 50])).tolist() == [-1, 0, 1]
    tokens = torch.arange(51)
    assert torch.equal(levels.tokens(levels.values(tokens)), tokens)


@pytest.mark.parametrize(("scale", "limit", "most"), [(1.0, 15.0, 3.27e6), (100.0, 10.3949, 3.27e4)])
def test_hl_gauss(scale, limit, most):
    head = HLGauss(4, scale)
    assert head.limit == pytest.approx(limit, abs=1e-4)
    assert float(symexp(torch.tensor(head.limit))) == pytest.approx(most, rel=1e-2)
    assert head.linear.bias[64].item() == pytest.approx(0, abs=1e-6)
    assert head.linear.bias[0].item() == pytest.approx(-0.2 * head.limit)
    y = symexp(torch.linspace(1 - limit, limit - 1, 301, dtype=torch.float64))
    head = head.double()
    head.edges.copy_(torch.linspace(-head.limit, head.limit, BINS + 1, dtype=torch.float64))
    head.centres.copy_((head.edges[1:] + head.edges[:-1]) / 2)
    p = head.encode(y)
    assert torch.allclose(p.sum(-1), torch.ones_like(y))
    assert torch.allclose(symlog(head.mean(p.log())), symlog(y), atol=1e-5)
    extreme = torch.tensor([-1e9, 1e9], dtype=torch.float64)
    clamped = symexp(torch.tensor([-1.0, 1.0], dtype=torch.float64) * (head.limit - 3 * head.deviation))
    assert torch.allclose(head.encode(extreme), head.encode(clamped))
    assert head.outside(torch.cat([extreme, y])) == 2
    logits = p.log().clamp(min=-60).requires_grad_()
    (gradient,) = torch.autograd.grad(head.loss(logits, y).sum(), logits)
    assert gradient.abs().max() < 1e-6  # least at p


def tokenizer(batch_norm: bool = False) -> ImageTokenizer:
    torch.manual_seed(0)
    return ImageTokenizer(3, 8, 16, 12, batch_norm)


def pictures(batch: int = 2, side: int = 32) -> torch.Tensor:
    return torch.randint(256, (batch, side, side, 3), generator=generator(), dtype=torch.uint8)


def test_the_tokenizer_quantises_to_the_nearest_code():
    net, image = tokenizer(), pictures()
    coded = net(image)
    flat = coded.encoded.movedim(1, -1)
    brute = torch.cdist(flat.flatten(0, 2), net.codes.weight).argmin(-1)
    assert torch.equal(coded.tokens.flatten(), brute)
    assert torch.equal(net.tokens(image), brute.view(2, 16))
    codes = net.codes(torch.arange(12)).T[None, :, None]
    assert net.nearest(codes).flatten().tolist() == list(range(12))
    assert coded.decoded.shape == scaled(image).shape == (2, 3, 32, 32)
    assert scaled(torch.tensor([[[[0, 255, 128]]]], dtype=torch.uint8)).flatten().tolist() == pytest.approx(
        [-1, 1, 1 / 255], abs=1e-6
    )
    assert torch.allclose(
        net.pictures(net.tokens(image), (4, 4)), ((coded.decoded + 1) * 127.5).clamp(0, 255).movedim(1, -1), atol=1e-3
    )


def test_gradients_of_the_tokenizers_loss():
    net, image = tokenizer(), pictures()
    encoded = net.encode(image).detach().requires_grad_()
    net.encode = lambda _: encoded
    coded = net(image)
    terms = losses(coded, image)
    assert set(terms) == {"reconstruction", "codebook", "commitment", "l1", "worst_pixel"}

    def gradient(name: str, of: torch.Tensor) -> torch.Tensor | None:
        return torch.autograd.grad(terms[name], of, retain_graph=True, allow_unused=True)[0]

    assert gradient("codebook", encoded) is None
    assert gradient("commitment", net.codes.weight) is None
    decoded = [name for name in terms if name not in ("codebook", "commitment")]
    assert all(gradient(name, net.codes.weight) is None for name in decoded)
    through = coded.nearest.detach().requires_grad_()
    square = (net.decoder(through) - scaled(image)).square().mean()
    assert torch.allclose(gradient("reconstruction", encoded), torch.autograd.grad(square, through)[0], atol=1e-7)
    assert torch.allclose(gradient("codebook", net.codes.weight).sum(), 2 * (coded.nearest - encoded).mean(), atol=1e-5)
    assert terms["codebook"] == terms["commitment"] == functional.mse_loss(coded.nearest, encoded)
    difference = coded.decoded - scaled(image)
    assert torch.allclose(terms["l1"], 0.1 * difference.abs().mean())
    assert torch.allclose(terms["worst_pixel"], 0.01 * (difference**2).flatten(1).amax(1).mean())


def test_the_perceptual_distance():
    """Of a net with random weights against its definition: the published ones lie in files nobody has to have."""
    torch.manual_seed(0)
    net = LPIPS()
    for weight in net.weights:
        weight.uniform_()
    one, other = (torch.rand(2, 3, 32, 32, generator=generator(seed)) * 2 - 1 for seed in (0, 1))
    assert net(one, one) == 0
    expected, sides = 0.0, [(x - net.shift) / net.scale for x in (one, other)]
    for number, end in enumerate((4, 9, 16, 23, 30)):  # torchvision's numbers of the layers after each stage
        tapped = [net.features[:end](x) for x in sides]
        a, b = (x / x.norm(dim=1, keepdim=True).clamp(min=1e-10) for x in tapped)
        expected += functional.conv2d((a - b) ** 2, net.weights[number]).mean()
    assert torch.allclose(net(one, other), expected, rtol=1e-4)
    coded = tokenizer()(pictures())
    assert set(losses(coded, pictures(), net)) == {"reconstruction", "codebook", "commitment", "perceptual"}


def test_another_file_than_lpips_is_refused(tmp_path):
    for name in LPIPS_FILES:
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"vgg16-397923af.pth is not LPIPS.*sha256"):
        load(str(tmp_path))


def test_the_decoder_opens_with_the_norm_asked_for():
    assert isinstance(tokenizer().decoder[0], torch.nn.GroupNorm)
    assert isinstance(tokenizer(batch_norm=True).decoder[0], torch.nn.BatchNorm2d)


def test_disagreement():
    logits = torch.randn(1, 7, 5, generator=generator()).expand(4, -1, -1)
    assert jensen_shannon(logits).abs().max() < 1e-6
    apart = torch.full((4, 1, 4), -1e4)
    apart[range(4), 0, range(4)] = 0
    assert jensen_shannon(apart).item() == pytest.approx(math.log(4), abs=1e-6)


def test_members_are_networks_of_their_own():
    torch.manual_seed(0)
    ensemble = Ensemble(8, 5, 4)
    x = torch.randn(4, 6, 8, generator=generator())
    logits = ensemble(x)
    for j in range(4):
        hidden = functional.layer_norm(x[j] @ ensemble.first.weight[j] + ensemble.first.bias[j], (16,))
        assert torch.allclose(
            logits[j], functional.silu(hidden) @ ensemble.last.weight[j] + ensemble.last.bias[j], atol=1e-6
        )
        (gradient,) = torch.autograd.grad(logits[j].sum(), ensemble.first.weight, retain_graph=True)
        assert gradient.flatten(1).any(1).tolist() == [k == j for k in range(4)]


@pytest.mark.parametrize("task", [atari(4), walker()], ids=lambda task: task.id)
def test_the_controllers_state_is_explicit(task):
    torch.manual_seed(0)
    resolved = config(task)
    tokenizers = Tokenizers(resolved, task)
    net = Controller(resolved, tokenizers, task)
    tokens = torch.randint(60, (3, tokenizers.layout.observed), generator=generator())
    state = net.see(tokens, tokenizers.codes, net.initial(3))
    decision = net.decide(state)
    action = sampled(decision, generator())
    assert action.shape == (3, tokenizers.layout.acted)
    assert torch.allclose(decision.logprob.exp().sum(-1), torch.ones(3, tokenizers.layout.acted))
    by_hand = decision.logprob[torch.arange(3)[:, None], torch.arange(action.shape[1]), action].mean(1)
    assert torch.allclose(log_probability(decision, action), by_hand)
    assert torch.allclose(mean_entropy(decision), -(decision.logprob.exp() * decision.logprob).sum(-1).mean(-1))
    done = tokenizers.chosen(action)
    assert torch.equal(tokenizers.acted(done), action)
    after = net.do(done, state)
    assert after.shape == net.initial(3).shape == (3, 1 + (task.id != "atari/any"), 2, resolved.lstm)
    assert torch.equal(net.do(done, state), after)
    if resolved.separate:  # the actor's body does not see the critic's state
        state[:, 1] = 0
        assert torch.equal(net.decide(state).logprob, decision.logprob)
        assert not torch.equal(net.decide(state).value, decision.value)


def test_first_embeddings_of_numbers_are_scaled_and_nothing_else():
    task, worlds = walker(), []
    for scale in (1.0, 0.25):
        resolved = config(task, embedding_scale=scale)
        torch.manual_seed(0)
        worlds.append(World(resolved, Tokenizers(resolved, task)).state_dict())
    for name, published in worlds[0].items():
        factor = 0.25 if name == "embed_vector.weight" else 1.0
        assert torch.equal(worlds[1][name], factor * published), name
    assert worlds[0]["embed_vector.weight"].std() == pytest.approx(1, abs=0.05)
