"""DreamerV2 against the specification."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from bench.agents import registry
from bench.agents.api import Task
from bench.agents.common.categorical import one_hot
from bench.agents.common.rssm.model import Latent
from bench.agents.counter import TASKS
from bench.agents.dreamer_v2.actor import OneHot, TruncatedNormal
from bench.agents.dreamer_v2.agent import DreamerV2, balanced_kl
from bench.agents.dreamer_v2.latents import CategoricalLatents
from bench.agents.dreamer_v2.networks import NormedGRU
from bench.envs import registry as envs
from bench.tests.agents.recurrent import built, gradient, keeps_the_contract, never_waits_for_the_device, refused


@pytest.mark.parametrize(
    "task", ["counter/vector-discrete", *(pytest.param(f"counter/{name}", marks=pytest.mark.slow) for name in
             ("vector-box", "image-discrete"))]
)  # fmt: skip
def test_it_keeps_the_contract(task, tmp_path, monkeypatch):
    keeps_the_contract("dreamer_v2", task, tmp_path, monkeypatch)


@pytest.mark.parametrize("task", ["counter/vector-box", "counter/image-discrete"])
def test_update_act_and_imagination_never_wait_for_the_device(task):
    never_waits_for_the_device("dreamer_v2", task)


def test_latents_are_drawn_not_the_likeliest_and_exactly_one_hot():
    latents, generator = CategoricalLatents(2, 4), torch.Generator().manual_seed(0)
    raw = torch.tensor([1.0, 0, 0, -1, 2, 0, 0, 0]).requires_grad_()
    many = raw.expand(20_000, 8)
    z = latents.sample(many, latents.noise((20_000,), generator))
    assert set(z.unique().tolist()) == {0.0, 1.0}
    assert (z.unflatten(-1, (2, 4)).sum(-1) == 1).all()
    probability = latents.logprob(raw).exp()
    assert torch.allclose(z.mean(0), probability.flatten(), atol=0.02)
    weights = torch.randn(8, generator=generator)
    (through,) = torch.autograd.grad((latents.sample(raw, latents.noise((), generator)) * weights).sum(), raw)
    (expected,) = torch.autograd.grad((latents.logprob(raw).exp().flatten() * weights).sum(), raw)
    assert torch.allclose(through, expected)
    assert torch.equal(latents.sample(raw, None).detach(), one_hot(torch.tensor([0, 0]), 4).flatten())


def test_the_kl_is_right():
    latents = CategoricalLatents(1, 2)
    posterior, prior = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log()
    assert latents.divergence(posterior, prior).item() == pytest.approx(0.368064, abs=1e-6)


def test_the_balance_shares_one_kl_s_gradient_between_its_sides():
    torch.manual_seed(0)
    latents = CategoricalLatents(3, 4)
    posterior, prior = torch.randn(2, 5, 12, requires_grad=True)
    balanced = balanced_kl(latents, posterior, prior, 0.8, 0.0)
    plain = latents.divergence(posterior, prior).mean()
    assert balanced.item() == pytest.approx(plain.item())
    for side, share in ((prior, 0.8), (posterior, 0.2)):
        ours, whole = (torch.autograd.grad(loss, side, retain_graph=True)[0] for loss in (balanced, plain))
        assert torch.allclose(ours, share * whole, atol=1e-7)


def test_free_nats_are_of_each_side_s_batch_mean():
    latents = CategoricalLatents(1, 2)
    posterior = torch.tensor([[6.0, 0.0], [0.0, 0.0]], requires_grad=True)  # one step far from the prior, one on it
    prior = torch.zeros(2, 2)
    each = latents.divergence(posterior, prior)
    mean, least = each.mean().item(), each.min().item()
    assert least < mean < each.max().item()
    kept = balanced_kl(latents, posterior, prior, 0.8, 0.9 * mean)
    assert kept.item() == pytest.approx(mean)  # although one step is below them
    freed = balanced_kl(latents, posterior, prior, 0.8, 1.1 * mean)
    assert freed.item() == pytest.approx(1.1 * mean)
    assert not torch.autograd.grad(freed, posterior)[0].any()


def test_the_gru_keeps_most_of_its_state_at_first():
    cell = NormedGRU(3, 5)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
    deter = torch.randn(2, 5)
    assert torch.allclose(cell(torch.randn(2, 3), deter), 0.731059 * deter, atol=1e-6)
    with torch.no_grad():  # the last third of the gates is the update's
        cell.norm.bias[10:] = 100.0
        cell.norm.bias[5:10] = 2.0  # the candidate, halved by a reset of 1/2
    assert torch.allclose(cell(torch.randn(2, 3), deter), torch.full((2, 5), math.tanh(1.0)), atol=1e-6)


def test_the_truncated_normal_is_one():
    actor = TruncatedNormal(3, 4, 1)
    with torch.no_grad():
        for parameter in actor.layers[-1].parameters():
            parameter.zero_()
    mean, deviation = actor(torch.zeros(1, 3))
    assert (mean.item(), deviation.item()) == pytest.approx((0.0, 1.1))
    policy = (torch.tensor([0.4]), torch.tensor([0.7]))
    grid = torch.linspace(-1, 1, 20_001)[:, None]
    density = actor.logprob(policy, grid).exp()
    assert torch.trapezoid(density, dx=1e-4).item() == pytest.approx(1, abs=1e-3)
    surprise = -(density * density.log())
    assert actor.entropy(policy).item() == pytest.approx(torch.trapezoid(surprise, dx=1e-4).item(), abs=1e-3)
    drawn = actor.sample((policy[0].expand(50_000, 1), policy[1].expand(50_000, 1)), torch.rand(50_000, 1))
    assert (drawn.abs() < 1).all()
    assert drawn.mean().item() == pytest.approx(torch.trapezoid(density * grid[:, 0], dx=1e-4).item(), abs=0.02)


def test_samples_of_the_truncated_normal_move_with_its_mean():
    actor, noise = TruncatedNormal(3, 4, 1), torch.tensor([[0.3], [0.9]], dtype=torch.float64)
    mean = torch.full((2, 1), 0.2, dtype=torch.float64, requires_grad=True)
    deviation = torch.full((2, 1), 0.5, dtype=torch.float64)
    (slope,) = torch.autograd.grad(actor.sample((mean, deviation), noise).sum(), mean)
    above, below = (actor.sample((mean + step, deviation), noise) for step in (1e-6, -1e-6))
    assert torch.allclose(slope, (above - below) / 2e-6, atol=1e-5)


def behaviour(agent: DreamerV2):
    """What the actor's loss is made of, for features [H + 1, N, F] of noise, H = 5, N = 3."""
    chance = torch.Generator().manual_seed(1)
    size = agent.networks.rssm.deter + agent.networks.rssm.latents.size
    feature = torch.randn(6, 3, size, generator=chance)
    policy = agent.networks.actor(feature[:-1].flatten(0, 1))
    noise = agent.networks.actor.noise((15,), chance)
    action = agent.networks.actor.sample(policy, noise).detach().unflatten(0, (5, 3))
    return feature, action, *torch.randn(2, 6, 3, generator=chance), torch.rand(6, 3, generator=chance)


def test_reinforce_pairs_an_action_with_the_target_of_the_state_it_leads_to():
    agent = built("dreamer_v2", "counter/vector-discrete", played=5)
    assert isinstance(agent.networks.actor, OneHot)
    feature, action, target, value, weight = behaviour(agent)
    loss, entropy = agent.actor_loss(feature, action, target[:5], value, weight)
    actor, total = agent.networks.actor, 0.0
    for k in range(4):  # of states 0 ... 5 the last two are dropped
        policy = actor(feature[k])
        objective = actor.logprob(policy, action[k]) * (target[k + 1] - value[k]) + 1e-3 * actor.entropy(policy)
        total = total - (weight[k] * objective).sum() / 12
    assert loss.item() == pytest.approx(total.item(), rel=1e-5)
    assert torch.allclose(gradient(agent, loss, actor), gradient(agent, total, actor), atol=1e-6)
    assert 0 < entropy.item() <= math.log(5) + 1e-6


def test_the_gradient_through_the_dynamics_is_the_other_share():
    """Continuous actions have all of it: targets carry it, and no log-probability does."""
    agent = built("dreamer_v2", "counter/vector-box", played=5, entropy_scale=0.0)
    feature, action, target, value, weight = behaviour(agent)
    target = target.requires_grad_()
    loss, _ = agent.actor_loss(feature, action, target[:5], value, weight)
    (slope,) = torch.autograd.grad(loss, target)
    expected = torch.zeros(6, 3)
    expected[1:5] = -weight[:4] / 12
    assert torch.allclose(slope, expected)


def test_the_first_discount_is_replay_s_and_weighs_all_that_follows():
    agent = built("dreamer_v2", "counter/vector-discrete", played=5)
    feature = behaviour(agent)[0]
    discount = agent.discounts(feature, torch.tensor([True, False, False]))
    assert discount[0].tolist() == pytest.approx([0.0, 0.99, 0.99])
    assert torch.allclose(discount[1:], torch.sigmoid(agent.networks.going_on(feature[1:])))
    agent.networks.going_on = None
    assert agent.discounts(feature, torch.tensor([True, False, False])).unique().tolist() == pytest.approx([0.99])


@pytest.mark.parametrize("task", ["counter/vector-box", "counter/vector-discrete"])
def test_behaviour_moves_actor_and_critic_and_the_target_follows_every_100_updates(task):
    agent = built("dreamer_v2", task, played=60)
    networks = agent.networks

    def moved(call) -> set[str]:
        before = {name: p.clone() for name, p in networks.named_parameters()}
        call()
        return {name.partition(".")[0] for name, p in networks.named_parameters() if not torch.equal(p, before[name])}

    batch = agent.batch()
    states, _ = agent.update_model(batch)
    assert moved(lambda: agent.update_model(batch)) == {"encoder", "rssm", "representation", "reward", "going_on"}
    assert moved(lambda: agent.update_behaviour(states, batch.terminal)) == {"actor", "value"}
    agent.updates = 150
    assert "target" not in moved(lambda: agent.update(batch))
    agent.updates = 200
    assert "target" in moved(lambda: agent.update(batch))
    assert all(
        torch.equal(a, b) for a, b in zip(networks.target.parameters(), networks.value.parameters(), strict=True)
    )


def test_starts_carry_no_gradient_into_the_world_model():
    agent = built("dreamer_v2", "counter/vector-box", played=40)
    states, _ = agent.update_model(agent.batch())
    assert isinstance(states, Latent)
    assert not any(part.requires_grad for part in states)


def settings(task_id: str, action: str, **diff: object):
    task = TASKS[f"counter/image-{action}"]
    task = Task(task_id, task.observation, task.action, 1, None, action == "discrete")
    return registry.resolve(registry.get("dreamer_v2"), task, "paper", diff, {})


def test_the_settings_of_atari_and_dm_control():
    names = ("deter", "batch", "train_every", "discount", "reinforce", "entropy_scale", "kl_scale", "free_nats",
             "squash", "prefill", "model_rate")  # fmt: skip
    found = {
        key: [getattr(config, name) for name in names]
        for key, config in {
            "paper": settings("atari/pong", "discrete"),
            "code": settings("atari/pong", "discrete", settings="code"),
            "control": settings("dmc-vision/walker_walk", "box"),
        }.items()
    }
    assert found["paper"] == [600, 50, 4, 0.995, 1.0, 1e-3, 0.1, 0.0, True, 50_000, 2e-4]
    assert found["code"] == [600, 16, 16, 0.999, 1.0, 1e-3, 0.1, 0.0, True, 50_000, 2e-4]
    assert found["control"] == [200, 16, 5, 0.99, 0.0, 1e-4, 1.0, 1.0, False, 1000, 3e-4]


def test_rewards_are_squashed_for_the_model_alone():
    agent = built("dreamer_v2", "counter/vector-box", played=30, squash=True, prefill=1000)
    batch = agent.batch()
    seen = []
    agent.update_model = lambda batch: seen.append(batch) or (Latent(*(torch.zeros(4, 5, n) for n in (8, 12))), {})
    agent.update(batch)
    assert torch.equal(seen[0].reward, torch.tanh(batch.reward))
    assert batch.reward.max() > 1


def test_the_reward_s_weight_is_its_alone():
    agent = built("dreamer_v2", "counter/vector-box", played=30, prefill=1000)
    batch, optimizer, seen = agent.batch(), agent.optimizers["model"], []
    whole = optimizer.gradients
    optimizer.gradients = lambda loss: seen.append(loss.item()) or whole(loss)
    weights, chance = {key: value.clone() for key, value in agent.networks.state_dict().items()}, agent.generator
    for scale in (1.0, 11.0):
        agent.networks.load_state_dict(weights)
        agent.config, agent.generator = replace(agent.config, reward_scale=scale), chance.clone_state()
        reward = agent.update_model(batch)[1]["loss_reward"].item()
    assert seen[1] - seen[0] == pytest.approx(10 * reward, rel=1e-4)


def test_toys_of_vectors_have_settings_of_their_own_at_small():
    spec, toys = registry.get("dreamer_v2"), [envs.task(name) for name in ("toy/reach", "toy/pixel-reach")]
    vectors, images = (registry.resolve(spec, task, "small", {}, {}) for task in toys)
    assert (vectors.reward_scale, vectors.free_nats, vectors.deter, vectors.train_every) == (100.0, 0.0, 64, 4)
    assert (images.reward_scale, images.free_nats, images.deter, images.train_every) == (1.0, 1.0, 200, 5)
    control = registry.resolve(spec, TASKS["counter/vector-box"], "small", {}, {})
    assert (control.reward_scale, control.free_nats, control.deter) == (1.0, 0.0, 200)
    assert registry.resolve(spec, toys[0], "tiny", {}, {}).reward_scale == 1.0


def test_the_published_sizes():
    task = TASKS["counter/image-discrete"]
    config = settings("atari/pong", "discrete", replay=1000)
    networks = DreamerV2(config, task, 0, "cpu").networks
    assert networks.rssm.initial(2).feature.shape == (2, 600 + 1024)
    assert sum(p.numel() for p in networks.rssm.cell.parameters()) == 3 * 600 * (600 + 600) + 3 * 3 * 600
    assert sum(p.numel() for p in networks.value.parameters()) == 1625 * 400 + 3 * 401 * 400 + 401
    assert isinstance(networks.rssm.activation, nn.ELU)


def test_bad_input_is_refused_with_the_reason():
    assert "Known: code, paper" in refused("dreamer_v2", settings="atari")
    assert "shares from 0 to 1: reinforce=1.5" in refused("dreamer_v2", reinforce=1.5)
    assert "imagination=1" in refused("dreamer_v2", imagination=1)
    assert "classes to be at least 1" in refused("dreamer_v2", classes=0)
    assert not refused("dreamer_v2", "counter/image-discrete")
