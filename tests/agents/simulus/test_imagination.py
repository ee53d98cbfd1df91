"""Dreams: what they start from, their returns and losses."""

import numpy as np
import pytest
import torch

from bench.agents.counter import TASKS
from bench.agents.simulus.agent import Simulus
from bench.agents.simulus.imagination import BATCHES, Contexts, Dreams, ReturnScale, losses, warmed
from bench.agents.simulus.world import Memory
from bench.tests.agents.simulus.subjects import built, generator

VECTOR = TASKS["counter/vector-box"]


@torch.no_grad()
@pytest.mark.parametrize("context", [1, 2, 3])
def test_imagination_gives_what_training_saw(mover, context):
    """Recorded tokens and actions, fed one by one after any context."""
    world, codes = mover.networks.world, mover.networks.tokenizers.codes
    batch = mover.segments(mover.rows(0, mover.config.length)[:4])
    y, _ = world.trunk(world.blocks(batch.tokens, batch.action, codes), world.trunk.initial(4))
    memory = world.begin(batch.tokens[:, :context], batch.action[:, : context - 1], codes)
    for t in range(context, mover.config.length):
        found, state, position = world.act(memory, batch.action[:, t - 1], codes)
        assert torch.allclose(found, y[:, t], atol=1e-5)
        memory = Memory(state, batch.tokens[:, t], position)


def test_warming_up_skips_what_is_not_there_and_is_acting():
    agent = built(VECTOR)
    net, tokenizers, chance = agent.networks.controller, agent.networks.tokenizers, generator()
    tokens = torch.randint(60, (1, 6, 4), generator=chance)
    action = torch.rand(1, 6, 2, generator=chance)
    there = torch.ones(1, 6, dtype=torch.bool)
    padded = torch.cat([torch.randint(60, (1, 3, 4), generator=chance), tokens], 1)
    left = Contexts(padded, torch.cat([torch.rand(1, 3, 2), action], 1), torch.cat([~there[:, :3], there], 1))
    for actions in (True, False):
        full = warmed(net, Contexts(tokens, action, there), None, actions)
        assert torch.allclose(warmed(net, left, None, actions), full, atol=1e-6)
    state = net.initial(1)
    with torch.no_grad():
        for t in range(5):
            state = net.do(action[:, t], net.see(tokens[:, t], tokenizers.codes, state))
    assert torch.allclose(warmed(net, left, None, True), state, atol=1e-6)
    assert not torch.allclose(warmed(net, left, None, False), state, atol=1e-3)


@pytest.mark.parametrize("executed", [True, False])
def test_the_policy_remembers_the_executed_action(executed):
    agent = built(VECTOR, epsilon=1.0, executed_action=executed)
    policy, net = agent.policy(1, 0, "explore"), agent.networks.controller
    seen = {"vector": np.ones((1, 4), np.float32)}
    action, _ = policy.act(seen, np.ones(1, bool))
    tokens = agent.networks.tokenizers.observed(agent.tensors(seen))
    with torch.no_grad():
        state = net.do(torch.from_numpy(action), net.see(tokens, None, net.initial(1)))
    assert torch.allclose(policy.state, state, atol=1e-6) == executed


def dreams(agent: Simulus, reward: torch.Tensor, end: torch.Tensor) -> Dreams:
    horizon, batch = reward.shape
    chance = generator()
    return Dreams(
        torch.randn(horizon, batch, generator=chance, requires_grad=True),
        torch.rand(horizon + 1, batch, generator=chance),
        torch.randn(horizon + 1, batch, 129, generator=chance),
        reward, end, torch.zeros_like(reward),
    )  # fmt: skip


@pytest.mark.parametrize("lambda_", [0.0, 0.95, 1.0])
def test_returns_and_losses_by_hand(lambda_):
    """lambda 0: the next value alone; 1: all rewards, then the last value."""
    agent = built(VECTOR, lambda_=lambda_)
    cfg, critic = agent.config, agent.networks.controller.critic
    reward = torch.tensor([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    end = torch.tensor([[False, False], [False, True], [False, False]])
    dreamt = dreams(agent, reward, end)
    scale = ReturnScale(6, "cpu")
    terms, report = losses(dreamt, agent.networks.controller, scale, scale.turn(), cfg)
    v = critic.mean(dreamt.value)
    g, lam = cfg.discount, cfg.lambda_
    expected = torch.zeros(3, 2)
    for n in range(2):
        after = v[3, n]
        for t in (2, 1, 0):
            after = reward[t, n] + g * (1 - float(end[t, n])) * ((1 - lam) * v[t + 1, n] + lam * after)
            expected[t, n] = after
    if lambda_ == 0:
        assert torch.allclose(expected, reward + g * (1 - end.float()) * v[1:])
    if lambda_ == 1:
        assert torch.allclose(expected[0, 0], 1 + g * (2 + g * (4 + g * v[3, 0])))
    assert torch.allclose(report["return"], expected.mean())
    spread = torch.clamp(0.5 * (expected.quantile(0.975) - expected.quantile(0.025)), min=1)
    assert torch.allclose(report["return_scale"], spread)
    actor = -(dreamt.logprob * (expected - v[:3]) / spread).mean()
    assert torch.allclose(terms["actor"], actor)
    assert torch.allclose(terms["entropy"], -cfg.entropy_scale * dreamt.entropy.mean())
    assert torch.allclose(terms["critic"], critic.loss(dreamt.value[:3], expected).mean())
    assert expected[1, 1] == 2  # an end cuts what follows


def test_the_returns_scale():
    scale = ReturnScale(100, "cpu")
    assert scale.update(torch.full((10, 10), 7.0), scale.turn()) == 1
    scale.update(torch.arange(100.0) * 1000, scale.turn())
    for _ in range(BATCHES - 1):
        scale.update(torch.arange(100.0), scale.turn())
    assert scale.returns.max() == 99_000  # the batch of large returns is still among the last 501
    other = ReturnScale(100, "cpu")
    other.load_state_dict(scale.state_dict())
    found = scale.update(torch.arange(100.0), scale.turn())
    assert found == other.update(torch.arange(100.0), other.turn())
    assert scale.returns.max() == 99  # and is forgotten
    assert float(found) == pytest.approx(0.5 * 0.95 * 99, abs=0.6)
