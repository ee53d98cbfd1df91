"""What the earlier Dreamers share: states, returns, objectives and batches, against values worked out by hand."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn
from torch.nn import ELU

from bench.agents.common.replay import SequenceReplay
from bench.agents.common.representation import InfoNCE, infonce, neighbours, normal_scores
from bench.agents.common.returns import lambda_returns
from bench.agents.common.rssm.arrival import arrival_returns
from bench.agents.common.rssm.batch import draw
from bench.agents.common.rssm.clipped_adam import ClippedAdam
from bench.agents.common.rssm.dense import initialised, mlp
from bench.agents.common.rssm.images import Decoder, Encoder
from bench.agents.common.rssm.model import RSSM
from bench.agents.common.rssm.normal import GaussianLatents, unit_normal_loss
from bench.tests.agents.counter import VECTOR, steps

PIXELS = spaces.Dict({"image": spaces.Box(0, 255, (64, 64, 3), np.uint8)})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_returns_by_arrival_and_by_leaving_differ_in_where_a_reward_counts():
    r, v, c = torch.tensor([1.0, 2, 3]), torch.tensor([10.0, 20, 30]), torch.full((3,), 0.9)
    assert arrival_returns(r, v, c, 0.5, torch.tensor(40.0)).tolist() == pytest.approx([24.8725, 33.05, 39.0])
    following = torch.tensor([20.0, 30, 40])
    assert lambda_returns(r, following, c, 0.5, torch.tensor(40.0)).tolist() == pytest.approx([24.8725, 33.05, 39.0])
    # Four states, of which arriving at state 2 alone pays 1: by arrival its own return holds that, by leaving not
    paid, none, one = torch.tensor([0.0, 0, 1, 0]), torch.zeros(4), torch.ones(4)
    assert arrival_returns(paid, none, one, 1.0, torch.tensor(0.0)).tolist() == [1, 1, 1, 0]
    assert lambda_returns(paid[1:], none[1:], one[1:], 1.0, torch.tensor(0.0)).tolist() == [1, 1, 0]


def test_gaussian_latents_are_torch_s_own_distributions():
    latents = GaussianLatents(3)
    raw, other = torch.randn(2, 5, 6, generator=generator())
    p, q = (torch.distributions.Normal(*latents.moments(x)) for x in (raw, other))
    assert torch.allclose(latents.divergence(raw, other), torch.distributions.kl_divergence(p, q).sum(-1), atol=1e-5)
    assert latents.moments(torch.full((6,), -30.0))[1].tolist() == pytest.approx([0.1] * 3)
    noise = latents.noise((5,), generator(1))
    assert torch.allclose(latents.sample(raw, noise), p.mean + p.stddev * noise)
    assert torch.equal(latents.sample(raw, None), p.mean)
    assert unit_normal_loss(torch.tensor(0.0), torch.tensor(2.0)).item() == pytest.approx(2 + math.log(2 * math.pi) / 2)


def rssm() -> RSSM:
    torch.manual_seed(0)
    return initialised(RSSM(GaussianLatents(4), nn.GRUCell(7, 6), 6, 7, 2, 5, nn.ELU))


def test_what_came_before_a_first_step_counts_as_nothing():
    model, chance = rssm(), generator()
    tokens, action = torch.randn(3, 6, 5, generator=chance), torch.randn(3, 6, 2, generator=chance)
    noise = model.latents.noise((3, 6), chance)
    first = torch.zeros(3, 6, dtype=torch.bool)
    first[:, 2] = True
    whole, raw = model.infer(model.initial(3), tokens, action, first, noise)
    assert not action[:, 2].eq(0).any()
    fresh_action = torch.cat([torch.zeros(3, 1, 2), action[:, 3:]], 1)
    fresh, fresh_raw = model.infer(
        model.initial(3), tokens[:, 2:], fresh_action, torch.zeros(3, 4, dtype=torch.bool), noise[:, 2:]
    )
    assert torch.allclose(whole.feature[:, 2:], fresh.feature, atol=1e-6)
    assert torch.allclose(raw[:, 2:], fresh_raw, atol=1e-6)
    assert not torch.allclose(whole.feature[:, 1], fresh.feature[:, 0], atol=1e-3)


def test_the_sequence_is_the_step_repeated():
    """The posterior layer is computed in two halves; in one piece, step by step, it gives the same."""
    model, chance = rssm(), generator()
    tokens, action = torch.randn(2, 3, 5, generator=chance), torch.randn(2, 3, 2, generator=chance)
    states, raws = model.infer(model.initial(2), tokens, action, torch.zeros(2, 3, dtype=torch.bool), None)
    state = model.initial(2)
    for t in range(3):
        deter = model.core(state, action[:, t])
        raw = model.posterior_raw(nn.functional.elu(model.posterior_hidden(torch.cat([deter, tokens[:, t]], dim=-1))))
        state = state._replace(deter=deter, stoch=raw[:, :4])
        assert torch.allclose(raws[:, t], raw, atol=1e-6)
        assert torch.allclose(states.feature[:, t], state.feature, atol=1e-6)


@pytest.mark.parametrize(("depth", "tokens"), [(32, 1024), (48, 1536)])
def test_pictures_become_tokens_and_pictures_again(depth, tokens):
    with torch.device("meta"):
        encoder, decoder = Encoder(PIXELS, depth, 400, nn.ReLU), Decoder(230, PIXELS, depth, 400, nn.ReLU)
        seen = {"image": torch.empty(2, 3, 64, 64, 3)}
        assert encoder.size == tokens
        assert encoder(seen).shape == (2, 3, tokens)
        decoded = decoder(torch.empty(2, 3, 230))
    assert decoded["image"].shape == (2, 3, 64, 64, 3)
    assert decoder.losses(decoded, seen)["image"].shape == (2, 3)
    d, count = depth, lambda module: sum(p.numel() for p in module.parameters())
    assert count(encoder) == 16 * d * (3 + 2 * d + 8 * d + 32 * d) + 15 * d
    widths = [(25 * 32 * 4, 4), (25 * 4 * 2, 2), (36 * 2, 1)]  # products per depth squared, and biases per depth
    assert count(decoder) == 231 * 32 * d + sum(n * d * d + b * d for n, b in widths) + 36 * 3 * d + 3


def test_infonce_is_a_cross_entropy():
    """-ln softmax of the right pair, over a row (observations), a column (states) or a window of a row."""
    scores = torch.randn(6, 6, generator=generator())
    where = torch.tensor([[0, 5, 1], [0, 1, 2], [3, 1, 2], [3, 2, 4], [5, 3, 4], [4, 5, 0]])  # the right one anywhere
    right = scores.exp().diagonal()
    over_obs, over_states = (-(right / scores.exp().sum(axis)).log().mean().item() for axis in (1, 0))
    near = [-(right / two.exp().gather(1, where).sum(1)).log().mean().item() for two in (scores, scores.T)]
    assert infonce(scores, "over_obs").item() == pytest.approx(over_obs, abs=1e-6)
    assert infonce(scores, "over_states").item() == pytest.approx(over_states, abs=1e-6)
    assert infonce(scores, "both").item() == pytest.approx((over_obs + over_states) / 2, abs=1e-6)
    assert infonce(scores, "over_obs", where).item() == pytest.approx(near[0], abs=1e-6)
    assert infonce(scores, "over_states", where).item() == pytest.approx(near[1], abs=1e-6)


@pytest.mark.parametrize("direction", ["over_obs", "over_states", "both"])
def test_infonce_knows_nothing_of_equal_candidates_and_all_of_distant_ones(direction):
    """Its bound on the information, ln N - loss, is 0 where all candidates are alike and ln N at a perfect score."""
    count = 2500
    alike = normal_scores(torch.ones(count, 3), torch.zeros(count, 3), torch.ones(count, 3))
    assert infonce(alike, direction).item() == pytest.approx(math.log(count), abs=1e-4)  # 7.824
    apart = 100 * torch.eye(64)
    perfect = normal_scores(apart, apart, torch.ones(64, 64))
    assert math.log(64) - infonce(perfect, direction).item() == pytest.approx(math.log(64), abs=1e-5)


def test_pairwise_scores_are_torch_s_log_probabilities():
    chance = generator()
    state, mean = torch.randn(2, 50, 230, generator=chance)
    deviation = torch.rand(50, 230, generator=chance) + 0.5
    exact = torch.distributions.Normal(mean, deviation).log_prob(state[:, None]).sum(-1)
    ours = normal_scores(state, mean, deviation) - 115 * math.log(2 * math.pi)
    assert torch.allclose(ours, exact, atol=1e-3)


def test_infonce_bounds_the_information_of_gaussians():
    """s = o + noise: I = ln(1 + 1/variance) / 2 per dimension. Given the true q(s | o), the bound is tight over
    observations, as what it lacks depends on s alone; over states it lacks ln p(s), and stays below."""
    chance, count, variance = generator(), 2000, 0.25
    o = torch.randn(count, 2, generator=chance)
    s = o + variance**0.5 * torch.randn(count, 2, generator=chance)
    information = math.log(1 + 1 / variance)  # of two dimensions: 1.609 nats
    scores = normal_scores(s, o, torch.full_like(o, variance**0.5))
    bounds = {name: math.log(count) - infonce(scores, name).item() for name in ("over_obs", "over_states")}
    assert bounds["over_obs"] == pytest.approx(information, abs=0.1)  # the mean of 2,000 has a deviation of 0.03
    assert 0 < bounds["over_states"] < information - 0.1


def test_a_window_s_candidates_are_those_around_and_each_once():
    near = neighbours(50, 50, torch.device("cpu"))
    assert near.shape == (2500, 300)
    assert (near == torch.arange(2500)[:, None]).sum(1).eq(1).all()
    at = 20 * 50 + 30
    assert {*(near[at] // 50).tolist()} == {*range(15, 25)}
    assert {*(near[at] % 50).tolist()} == {*range(15, 45)}
    few = neighbours(3, 4, torch.device("cpu"))
    assert [sorted(row) for row in few.tolist()] == [list(range(12))] * 12


def test_the_contrastive_head_begins_with_deviations_of_one():
    head = initialised(InfoNCE(mlp(5, 8, 3, 14, ELU), "over_obs", "all"))
    with torch.no_grad():
        head.head[-1].weight.zero_()
    mean, deviation = head.moments(torch.randn(3, 5))
    assert not mean.any()
    assert deviation.unique().tolist() == pytest.approx([1.01])


def test_a_batch_pairs_every_observation_with_the_action_and_reward_that_led_to_it():
    """Observation i of an episode shows (episode, i), came after action (i - 1)/10 and reward i."""
    replay, rng = SequenceReplay(VECTOR, 1000), np.random.default_rng(0)
    for step in steps(VECTOR, 1, 60):
        replay.add(step)
    observation, fields = draw(replay, rng, 200, 3)
    episode, at = observation["vector"][..., 0], observation["vector"][..., 1]
    assert (np.diff(at, axis=1) == 1).all()  # within an episode
    assert (at[:, 0] > 0).any()
    assert np.array_equal(fields["first"], at == 0)
    assert np.allclose(fields["action"][..., 0], np.where(at == 0, 0, (at - 1) / 10))
    assert np.array_equal(fields["reward"], at)
    length = np.array([3, 5, 2])[(episode % 3).astype(int)]
    assert np.array_equal(fields["terminal"], (at == length) & (episode % 2 == 0))


def test_the_optimiser_clips_the_global_norm_and_forgets_a_little():
    weights = [torch.full((2,), 4.0, requires_grad=True), torch.full((2,), 2.0, requires_grad=True)]
    adam = ClippedAdam(weights, 1e-2, 1e-8, clip=1.0, decay=0.25)
    gradients = [torch.tensor([30.0, 0.0]), torch.tensor([0.0, 40.0])]
    assert adam.step([g.clone() for g in gradients]).item() == pytest.approx(50)
    assert weights[0].tolist() == pytest.approx([3.0 - 0.01, 3.0])  # a quarter is lost whatever the rate
    moments = [adam.adam.state[w]["exp_avg"] for w in weights]
    assert torch.cat(moments).tolist() == pytest.approx([0.06, 0, 0, 0.08])  # a tenth of the clipped gradient
    small = ClippedAdam([torch.ones(1, requires_grad=True)], 1e-2, 1e-8, clip=1.0)
    small.step([torch.tensor([0.5])])
    assert small.adam.state[small.parameters[0]]["exp_avg"].item() == pytest.approx(0.05)
