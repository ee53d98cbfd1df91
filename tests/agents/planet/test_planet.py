"""PlaNet against the specification. Its planner is tested in tests/agents/common/test_planner.py."""

import math

import pytest
import torch

from bench.agents import registry
from bench.agents.common.rssm.losses import infer
from bench.agents.common.rssm.model import Latent
from bench.agents.counter import TASKS
from bench.agents.planet.agent import PlaNet, free, quantised
from bench.envs import registry as envs
from bench.tests.agents.recurrent import built, keeps_the_contract, never_waits_for_the_device, refused


def test_it_keeps_the_contract(tmp_path, monkeypatch):
    keeps_the_contract("planet", "counter/vector-box", tmp_path, monkeypatch)


@pytest.mark.slow
def test_it_keeps_the_contract_on_pictures(tmp_path, monkeypatch):
    keeps_the_contract("planet", "counter/image-box", tmp_path, monkeypatch)


@pytest.mark.parametrize("task", ["counter/vector-box", "counter/image-box"])
def test_update_act_and_imagination_never_wait_for_the_device(task):
    never_waits_for_the_device("planet", task)


def test_pictures_have_five_bits_and_even_noise():
    image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    edges = quantised(image, None)
    assert edges.unique().tolist() == pytest.approx([k / 32 - 0.5 for k in range(32)])
    noisy = quantised(image.expand(500, 16, 16, 1), torch.Generator().manual_seed(0)) - edges
    assert 0 <= noisy.min() < 1e-3
    assert 1 / 32 - 1e-3 < noisy.max() <= 1 / 32
    assert noisy.mean().item() == pytest.approx(1 / 64, abs=1e-4)


def test_free_nats_are_of_every_step():
    kl = torch.tensor([[1.0, 3.5], [7.0, 2.9]], requires_grad=True)
    loss = free(kl, 3.0)
    assert loss.item() == pytest.approx((0.5 + 4.0) / 4)
    assert torch.autograd.grad(loss, kl)[0].tolist() == [[0, 0.25], [0.25, 0]]


@pytest.mark.parametrize(("kl_scale", "free_nats"), [(1.0, 0.0), (10.0, 0.0), (10.0, 0.01)])
def test_the_loss_weighs_the_reward_ten_times_and_what_exceeds_the_free_nats_as_asked(kl_scale, free_nats, monkeypatch):
    agent = built("planet", played=60, free_nats=free_nats, kl_scale=kl_scale)
    batch, seen = agent.batch(), []
    optimizer = agent.optimizers["model"]
    monkeypatch.setattr(optimizer, "gradients", lambda loss: seen.append(loss.item()) or [])
    monkeypatch.setattr(optimizer, "step", lambda gradients: torch.zeros(()))
    state = agent.generator.get_state()
    report = agent.update(batch)
    agent.generator.set_state(state)
    inferred = infer(agent, batch)
    terms, kl = inferred.terms, agent.networks.rssm.latents.divergence(inferred.posterior, inferred.prior)
    assert (kl > free_nats).any()
    assert report["kl"].item() == pytest.approx(kl.mean().item(), rel=1e-5)
    expected = sum({"reward": 10.0}.get(name, 1.0) * term.item() for name, term in terms.items())
    expected += kl_scale * free(kl, free_nats).item()
    assert set(terms) == {"reconstruction_vector", "reward", "continue"}
    assert seen == pytest.approx([expected], rel=1e-5)


class Line:
    """s' = s + a, and a reward that falls with the distance from 1."""

    class latents:
        @staticmethod
        def noise(shape, generator):
            return torch.zeros(*shape, 0)

    def dream(self, state, action, noise):
        return Latent(state.deter + 0.25 * action, state.stoch)


def test_plans_lead_where_the_model_sees_reward():
    agent = built("planet", played=5, candidates=1000, elites=100, iterations=10, imagination=6)

    class Model:
        rssm, going_on = Line(), None

        @staticmethod
        def reward(feature):
            return -(feature[..., 0] - 1).abs() - (feature[..., 1] + 0.5).abs()

    agent.networks = Model
    start = Latent(torch.tensor([[0.0, 0.0], [1.0, -0.5], [2.0, -0.5]]), torch.zeros(3, 0))
    action = agent.plan(start, torch.Generator().manual_seed(0))
    assert action[0, 0] > 0.8
    assert action[0, 1] < -0.8
    assert action[1].abs().max() < 0.3
    assert action[2, 0] < -0.8


def test_what_follows_an_end_counts_as_much_as_goes_on():
    agent = built("planet", played=5)

    class Model:
        rssm = Line()
        reward = staticmethod(lambda feature: torch.ones(len(feature)))
        going_on = staticmethod(lambda feature: torch.full((len(feature),), math.log(0.5 / 0.5)))

    agent.networks = Model
    state = Latent(torch.zeros(2, 2), torch.zeros(2, 0))
    assert agent.returns(state, torch.zeros(3, 2, 2), torch.Generator()).tolist() == [1.75, 1.75]


def test_updates_are_owed_by_episodes():
    task, spec = TASKS["counter/vector-box"], registry.get("planet")
    agent = PlaNet(registry.resolve(spec, task, "paper", {"replay": 1000}, {}), task, 0, "cpu")
    owed = []
    for agent.episodes in (4, 5, 6, 15):
        owed.append(agent.owed)
    assert owed == [0, 100, 200, 1100]


def test_the_published_sizes():
    task, spec = TASKS["counter/image-box"], registry.get("planet")
    networks = PlaNet(registry.resolve(spec, task, "paper", {"replay": 1000}, {}), task, 0, "cpu").networks
    assert networks.rssm.initial(1).feature.shape == (1, 230)
    assert networks.encoder.size == 1024
    assert sum(p.numel() for p in networks.reward.parameters()) == 231 * 300 + 2 * 301 * 300 + 301


def test_toys_of_vectors_have_settings_of_their_own_at_smaller_scales():
    spec = registry.get("planet")
    fields = ("batch", "length", "train_steps", "kl_scale", "reward_scale", "imagination", "candidates", "elites")

    def numbers(task, scale):
        config = registry.resolve(spec, task, scale, {}, {})
        return [*(getattr(config, field) for field in fields), config.iterations, config.deter]

    reach, pictures = envs.task("toy/reach"), envs.task("toy/pixel-reach")
    assert numbers(reach, "small") == numbers(reach, "tiny") == [32, 20, 40, 10, 100, 20, 150, 5, 7, 64]
    assert numbers(reach, "paper") == [50, 50, 100, 1, 10, 12, 1000, 100, 10, 200]
    assert numbers(pictures, "tiny") == [16, 8, 5, 1, 10, 12, 100, 10, 4, 64]
    assert numbers(TASKS["counter/vector-box"], "tiny") == [16, 8, 20, 1, 10, 12, 100, 10, 4, 64]


def test_bad_input_is_refused_with_the_reason():
    assert "plans with continuous actions" in refused("planet", "counter/vector-discrete")
    assert "elites=160 of candidates=100" in refused("planet", elites=160)
    assert not refused("planet", "counter/image-box")
