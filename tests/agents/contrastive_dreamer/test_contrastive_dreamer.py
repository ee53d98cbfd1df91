"""The contrastive Dreamer against the specification; what it shares with DreamerV1 is tested there."""

import math

import pytest
import torch
from torch.nn import ELU

from bench.agents import registry
from bench.agents.common.representation import InfoNCE
from bench.agents.common.rssm.dense import mlp
from bench.agents.common.rssm.losses import infer
from bench.agents.counter import TASKS
from bench.envs import registry as envs
from bench.tests.agents.recurrent import built, gradient, keeps_the_contract, never_waits_for_the_device, refused

DIRECTIONS = ({"direction": "over_states"}, {"direction": "both"}, {"candidates": "window"}, {"objective": "none"})


@pytest.mark.slow  # the agent is dreamer_v1's, whose check is not
def test_it_keeps_the_contract(tmp_path, monkeypatch):
    keeps_the_contract("contrastive_dreamer", "counter/vector-box", tmp_path, monkeypatch)


@pytest.mark.slow
def test_it_keeps_the_contract_on_pictures(tmp_path, monkeypatch):
    keeps_the_contract("contrastive_dreamer", "counter/image-box", tmp_path, monkeypatch)


@pytest.mark.parametrize("diff", DIRECTIONS, ids=lambda diff: "-".join(diff.values()))
def test_update_act_and_imagination_never_wait_for_the_device(diff):
    never_waits_for_the_device("contrastive_dreamer", "counter/vector-box", **diff)


@pytest.mark.parametrize("task", ["counter/vector-box", "counter/image-box"])
def test_the_encoder_learns_from_infonce_kl_and_reward_and_nothing_else(task):
    agent = built("contrastive_dreamer", task, played=30)
    agent.networks.going_on = None  # as on every task that only a time limit ends
    batch = agent.batch()
    inferred = infer(agent, batch)
    divergence = agent.networks.rssm.latents.divergence(inferred.posterior, inferred.prior).mean()
    assert set(inferred.terms) == {"infonce", "reward"}
    encoder = agent.networks.encoder
    parts = [gradient(agent, term, encoder) for term in (*inferred.terms.values(), divergence)]
    assert all(part.abs().max() > 0 for part in parts)
    agent.config = agent.config.__class__(**{**vars(agent.config), "free_nats": 0.0})
    whole = gradient(agent, agent.model_loss(inferred, divergence), encoder)
    assert torch.allclose(whole, sum(parts), atol=1e-6)
    feature, reward, value, _ = agent.dream(inferred.states)
    assert not gradient(agent, (feature.sum() + reward.sum() + value.sum()), encoder).any()  # dreams train it not


def test_without_the_objective_only_kl_and_reward_are_left():
    agent = built("contrastive_dreamer", objective="none", played=30)
    assert set(infer(agent, agent.batch()).terms) == {"reward", "continue"}
    assert not list(agent.networks.representation.parameters())
    assert agent.world_model.predicts.decodes == ()


def test_toys_of_vectors_have_a_kl_that_weighs_less_and_at_small_the_paper_s_candidates():
    """In every variant, so that what InfoNCE adds is compared with all else alike."""
    spec = registry.get("contrastive_dreamer")
    reach, pictures = envs.task("toy/reach"), envs.task("toy/pixel-reach")

    def numbers(task, scale, variant):
        config = registry.resolve(spec, task, scale, variant, {})
        return config.batch, config.length, config.kl_scale, config.free_nats, config.reward_scale

    for variant in ({}, dict(spec.variants["norepresentation"])):
        assert numbers(reach, "small", variant) == (50, 50, 0.1, 0.0, 100.0)
        assert numbers(reach, "tiny", variant) == (16, 8, 0.1, 0.0, 1.0)
        assert numbers(reach, "paper", variant) == (50, 50, 1.0, 0.0, 1.0)
        assert numbers(pictures, "tiny", variant) == (16, 8, 1.0, 3.0, 1.0)
        assert numbers(TASKS["counter/vector-box"], "tiny", variant) == (16, 8, 1.0, 0.0, 1.0)


def test_candidates_are_all_states_of_the_batch():
    """Before anything is learnt every candidate is about as likely: the loss is about the log of their number."""
    agent = built("contrastive_dreamer", played=30, prefill=1000)  # no update yet
    loss = infer(agent, agent.batch()).terms["infonce"].item()
    assert loss == pytest.approx(math.log(4 * 5), abs=0.5)


def test_infonce_learns_a_batch_by_heart():
    agent = built("contrastive_dreamer", played=40, model_rate=3e-3, free_nats=50.0)  # the KL pulls at nothing
    batch = agent.batch()
    losses = [agent.update(batch)["loss_infonce"].item() for _ in range(60)]
    assert losses[-1] < losses[0] - 0.3


def test_both_directions_are_the_paper_s_and_the_code_s():
    torch.manual_seed(0)
    feature, tokens = torch.randn(2, 3, 7), torch.randn(2, 3, 5)
    objectives = {name: InfoNCE(mlp(5, 8, 3, 14, ELU), name, "all") for name in ("over_obs", "over_states")}
    objectives["over_states"].load_state_dict(objectives["over_obs"].state_dict())
    normal = torch.distributions.Normal(*objectives["over_obs"].moments(tokens.flatten(0, 1)))
    scores = normal.log_prob(feature.flatten(0, 1)[:, None]).sum(-1)  # ln q(s_i | o_j)
    for name, axis in (("over_obs", 1), ("over_states", 0)):  # the sum runs over observations, or over states
        expected = (scores.logsumexp(axis) - scores.diagonal()).mean().item()
        assert objectives[name].losses(feature, tokens, {})["infonce"].item() == pytest.approx(expected, abs=1e-5)


def test_bad_input_is_refused_with_the_reason():
    assert "continuous actions" in refused("contrastive_dreamer", "counter/image-discrete")
    assert "batch=1 and length=1 leave fewer than two" in refused("contrastive_dreamer", batch=1, length=1)
    assert "Did you mean 'over_obs'" in refused("contrastive_dreamer", direction="over_ob")
    assert "unknown objective of contrastive_dreamer 'pixels'" in refused("contrastive_dreamer", objective="pixels")
    assert not refused("contrastive_dreamer", objective="none")
