"""DreamerV1 against the specification."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.agents import registry
from bench.agents.common.gaussian_dreamer.agent import earlier_product
from bench.agents.common.gaussian_dreamer.tanh_normal import TanhNormal
from bench.agents.common.rssm.imagination import Actor, imagine
from bench.agents.common.rssm.losses import infer
from bench.agents.common.rssm.model import Latent
from bench.agents.counter import TASKS
from bench.agents.dreamer_v1.agent import DreamerV1
from bench.envs import registry as envs
from bench.tests.agents.recurrent import built, gradient, keeps_the_contract, never_waits_for_the_device, refused


def test_it_keeps_the_contract(tmp_path, monkeypatch):
    keeps_the_contract("dreamer_v1", "counter/vector-box", tmp_path, monkeypatch)


@pytest.mark.slow
def test_it_keeps_the_contract_on_pictures(tmp_path, monkeypatch):
    keeps_the_contract("dreamer_v1", "counter/image-box", tmp_path, monkeypatch)


@pytest.mark.parametrize("task", ["counter/vector-box", "counter/image-box"])
def test_update_act_and_imagination_never_wait_for_the_device(task):
    never_waits_for_the_device("dreamer_v1", task)


def test_the_published_sizes():
    """A feature of 230 numbers; parameters of the recurrent model by the layers of section 4.1."""
    task, spec = TASKS["counter/image-box"], registry.get("dreamer_v1")
    agent = DreamerV1(registry.resolve(spec, task, "paper", {"replay": 1000}, {}), task, 0, "cpu")
    networks, actions = agent.networks, 2
    assert networks.rssm.initial(3).feature.shape == (3, 230)
    assert agent.world_model.predicts.feature_size == 230
    gru = 3 * 200 * (200 + 200) + 2 * 3 * 200
    head = 201 * 60
    parameters = (30 + actions + 1) * 200 + gru + 201 * 200 + head + (200 + 1024 + 1) * 200 + head
    assert sum(p.numel() for p in networks.rssm.parameters()) == parameters
    assert sum(p.numel() for p in networks.value.parameters()) == 231 * 400 + 2 * 401 * 400 + 401
    assert sum(p.numel() for p in networks.reward.parameters()) == 231 * 400 + 401 * 400 + 401
    assert sum(p.numel() for p in networks.actor.parameters()) == 231 * 400 + 3 * 401 * 400 + 401 * 2 * actions


def policy_of_zeros() -> tuple[TanhNormal, tuple[torch.Tensor, torch.Tensor]]:
    actor = TanhNormal(3, 4, 2)
    nn.init.zeros_(actor.layers[-1].weight)
    nn.init.zeros_(actor.layers[-1].bias)
    return actor, actor(torch.randn(1000, 3))


def test_the_policy_begins_wide_and_stays_inside():
    actor, policy = policy_of_zeros()
    assert not policy[0].any()
    assert policy[1].unique().tolist() == pytest.approx([5.0001], abs=1e-4)
    generator = torch.Generator().manual_seed(0)
    action = actor.sample(policy, actor.noise((1000,), generator))
    assert (action.abs() <= 1).all()
    assert action.abs().median() > 0.95  # most lie near the edges
    assert torch.isfinite(actor.logprob(policy, action.sign())).all()
    narrow = (torch.full((4, 2), 0.5), torch.full((4, 2), 0.4))
    within = torch.distributions.TransformedDistribution(
        torch.distributions.Normal(*narrow), torch.distributions.TanhTransform()
    )
    actions = torch.tanh(torch.randn(4, 2, generator=generator))
    assert torch.allclose(actor.logprob(narrow, actions), within.log_prob(actions).sum(-1), atol=1e-4)


def test_the_mode_is_the_likeliest_of_many_samples():
    actor, _ = policy_of_zeros()
    policy = (torch.tensor([[0.5, -1.0]] * 3), torch.full((3, 2), 0.1))
    mode = actor.mode(policy, torch.Generator().manual_seed(0))
    assert mode.shape == (3, 2)
    assert (actor.logprob(policy, mode) > actor.logprob(policy, torch.tanh(policy[0] + 0.1))).all()


def test_weights_are_powers_of_the_discount():
    weights = earlier_product(torch.full((15, 2), 0.99))
    assert weights.shape == (14, 2)
    assert weights[:, 0].tolist() == pytest.approx([0.99**k for k in range(14)])


def test_free_nats_are_of_the_batch_s_mean_and_gradients_flow_to_both_sides():
    agent = built("dreamer_v1", free_nats=0.0)
    inferred = infer(agent, agent.batch())
    divergence = agent.networks.rssm.latents.divergence(inferred.posterior, inferred.prior)
    mean = divergence.mean()
    assert divergence.max() > mean
    terms = sum(10.0 * term if name == "continue" else term for name, term in inferred.terms.items())

    def kl(free_nats: float) -> torch.Tensor:
        agent.config = registry.resolve(registry.get("dreamer_v1"), agent.task, "tiny", {"free_nats": free_nats}, {})
        return agent.model_loss(inferred, mean) - terms

    below, above = 1.01 * mean.item(), 0.99 * mean.item()
    assert kl(below).item() == pytest.approx(below, rel=1e-4)
    assert kl(above).item() == pytest.approx(mean.item(), rel=1e-4)
    for layer in (agent.networks.rssm.prior_raw, agent.networks.rssm.posterior_raw):
        assert gradient(agent, mean, layer).abs().max() > 1e-6  # no balancing, both sides learn
    only_above = torch.autograd.grad(kl(below), inferred.prior, retain_graph=True, allow_unused=True)[0]
    assert only_above is None or only_above.abs().max() < 1e-7
    assert torch.autograd.grad(kl(above), inferred.prior, retain_graph=True)[0].abs().max() > 1e-6


def test_the_reward_s_and_the_kl_s_weights_are_theirs_alone():
    agent = built("dreamer_v1")
    inferred = infer(agent, agent.batch())
    divergence = torch.tensor(5.0)

    def loss(**diff: float) -> float:
        agent.config = registry.resolve(registry.get("dreamer_v1"), agent.task, "tiny", diff, {})
        return agent.model_loss(inferred, divergence).item()

    assert loss(reward_scale=11.0) - loss() == pytest.approx(10 * inferred.terms["reward"].item(), rel=1e-4)
    assert loss(kl_scale=3.0) - loss() == pytest.approx(10.0, rel=1e-4)
    assert loss(kl_scale=3.0, free_nats=7.0) - loss() == pytest.approx(3 * 7.0 - 5.0, rel=1e-4)


class Constant(Actor):
    """The same mean everywhere, one number, with noise of deviation 0.3."""

    size = 1

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.tensor([0.2], dtype=torch.float64))

    def forward(self, feature):
        return self.mean.expand(feature.shape[0], 1)

    def noise(self, shape, generator):
        return torch.randn(*shape, 1, generator=generator, dtype=torch.float64)

    def sample(self, policy, noise):
        return policy + 0.3 * noise


class Line(nn.Module):
    """s' = s + a, and no latents: just what `imagine` asks of a model."""

    class latents:
        @staticmethod
        def noise(shape, generator):
            return torch.zeros(*shape, 0, dtype=torch.float64)

    def dream(self, state, action, noise):
        return Latent(state.deter + action, state.stoch)


def test_the_actor_s_gradient_is_that_of_finite_differences():
    """Reward s'^2 under fixed noise: backpropagation through the dynamics against the difference quotient."""
    actor = Constant()
    start = Latent(torch.zeros(5, 1, dtype=torch.float64), torch.zeros(5, 0, dtype=torch.float64))

    def score() -> torch.Tensor:
        feature, _ = imagine(Line(), actor, start, 6, torch.Generator().manual_seed(3))
        return feature[1:].square().sum() / 5

    (slope,) = torch.autograd.grad(score(), [actor.mean])
    with torch.no_grad():
        actor.mean += 1e-5
        above = score()
        actor.mean -= 2e-5
        below = score()
    assert slope.item() == pytest.approx((above - below).item() / 2e-5, rel=1e-6)
    assert abs(slope.item()) > 1


def test_the_actor_s_loss_moves_no_other_part():
    agent = built("dreamer_v1")
    networks = agent.networks
    before = {name: p.clone() for name, p in networks.named_parameters()}
    for name in ("model", "value"):
        agent.optimizers[name].step = lambda gradients: torch.zeros(())
    agent.update(agent.batch())
    moved = {name.partition(".")[0] for name, p in networks.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"actor"}


def test_updates_are_owed_by_frames():
    task, spec = TASKS["counter/vector-box"], registry.get("dreamer_v1")
    agent = DreamerV1(registry.resolve(spec, task, "paper", {"replay": 1000}, {}), task, 0, "cpu")
    counts = {}
    for frames in (4999, 5000, 5999, 6000, 105_000):
        agent.agent_steps = frames  # a repeat of 1
        counts[frames] = agent.owed
    assert counts == {4999: 0, 5000: 100, 5999: 100, 6000: 200, 105_000: 100 + 100 * 100}


def test_settings_follow_what_is_seen_and_how_long_episodes_are():
    spec, vectors, images = (registry.get("dreamer_v1"), TASKS["counter/vector-box"], TASKS["counter/image-box"])
    seen = [registry.resolve(spec, task, "paper", {}, {}) for task in (vectors, images)]
    assert [config.free_nats for config in seen] == [0.0, 3.0]
    assert [config.length for config in seen] == [13, 13]  # of an episode of 12 decisions; else 50
    assert spec.supports(images, seen[1]) is None


def test_toys_of_vectors_have_settings_of_their_own_at_small():
    spec, toys = registry.get("dreamer_v1"), [envs.task(name) for name in ("toy/reach", "toy/pixel-reach")]
    vectors, images = (registry.resolve(spec, task, "small", {}, {}) for task in toys)
    assert (vectors.reward_scale, vectors.discount, vectors.free_nats, vectors.deter) == (100.0, 0.9, 0.0, 64)
    assert (vectors.batch, vectors.length, vectors.imagination) == (8, 20, 10)
    assert (images.reward_scale, images.discount, images.free_nats, images.deter) == (1.0, 0.99, 3.0, 200)
    control = registry.resolve(spec, TASKS["counter/vector-box"], "small", {}, {})
    assert (control.reward_scale, control.discount, control.free_nats) == (1.0, 0.99, 0.0)
    tiny = registry.resolve(spec, toys[0], "tiny", {}, {})
    assert (tiny.reward_scale, tiny.discount, tiny.length) == (1.0, 0.99, 8)


def test_exploring_adds_noise_and_evaluating_none():
    agent = built("dreamer_v1", noise=0.3, played=60)
    state, generator = agent.networks.rssm.initial(500), torch.Generator()
    with torch.no_grad():
        agent.networks.actor.layers[-1].weight.zero_()
        agent.networks.actor.layers[-1].bias.copy_(torch.tensor([0.5, -0.5, -200, -200]))  # hardly any deviation
        found = {mode: agent.decide(state, mode, generator.manual_seed(0)) for mode in ("explore", "evaluate", "react")}
    target = np.tanh(5 * np.tanh([0.1, -0.1]))
    for mode in ("evaluate", "react"):
        assert torch.allclose(found[mode], torch.tensor(target, dtype=torch.float32).expand(500, 2), atol=2e-3)
    assert found["explore"].std(0).tolist() == pytest.approx([0.3, 0.3], abs=0.03)


def test_bad_input_is_refused_with_the_reason():
    assert "continuous actions, and those of counter/vector-discrete are discrete" in refused(
        "dreamer_v1", "counter/vector-discrete"
    )
    assert "units, batch to be at least 1" in refused("dreamer_v1", units=0, batch=0)
    assert "length=14 is longer than an episode of counter/vector-box (13 observations)" in refused(
        "dreamer_v1", length=14
    )
    assert "imagination=1" in refused("dreamer_v1", imagination=1)
    assert "holds no sequence of length=8" in refused("dreamer_v1", replay=5)
    assert not refused("dreamer_v1")
