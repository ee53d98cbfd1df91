"""One update against its equations: targets, losses, gradients, averages, and what it must not touch."""

import math

import pytest
import torch
from torch.nn import functional

from bench.agents.common.hostsync import no_host_sync
from bench.agents.tdmpc2.agent import TDMPC2
from bench.agents.tdmpc2.config import discount
from bench.agents.tdmpc2.update import METRICS, spread
from bench.tests.agents.tdmpc2.subjects import IMAGE, VECTOR, built, config, control, generator, played, random_batch


def warm(agent: TDMPC2) -> TDMPC2:
    """With heads that say something: their last weights are not zero."""
    last = (agent.networks.reward[-1].weight, agent.networks.critics.last.weight, agent.updater.target.last.weight)
    for number, weight in enumerate(last):
        weight.data.normal_(generator=generator(number))
    return agent


@pytest.mark.parametrize(("steps", "gamma"), [(500, 0.99), (100, 0.95), (1000, 0.995), (50, 0.95), (None, 0.995)])
def test_the_discount_has_a_fifth_of_the_episode_for_its_horizon(steps, gamma):
    task = control(steps=steps)
    assert discount(config(task, "paper"), task) == pytest.approx(gamma)


def test_a_terminating_task_has_the_authors_values_for_one():
    task = control(steps=1000, terminates=True)
    there = config(task, "paper")
    assert (there.episodic, there.rho, discount(there, task)) == (True, 0.7, 0.99)
    assert config(control(), "paper").episodic is False


def test_the_target_is_the_reward_and_the_lesser_of_two_target_critics():
    agent = warm(built(episodic=False))
    net, updater, batch = agent.networks, agent.updater, random_batch(agent)
    seen, target = updater.targets(batch, generator(5))
    chance = generator(5)
    with torch.no_grad():
        z = net.encoder({"vector": batch.observation["vector"][1:]})
        mean, log_std = net.policy(z)
        action = torch.tanh(mean + log_std.exp() * torch.randn(mean.shape, generator=chance))
        two = torch.randperm(3, generator=chance)[:2]
        both = torch.cat([z, action], -1)
        values = torch.stack([net.code.decode(updater.target(row)[two]) for row in both])  # [H, 2, B]
    goes_on = 1 - batch.terminated
    assert torch.allclose(seen, z, atol=1e-6)
    assert torch.allclose(target, batch.reward + 0.95 * goes_on * values.amin(1), atol=1e-4)
    assert (values.amin(1) != values[:, 0]).any()


def test_a_fresh_target_is_the_reward_and_a_fresh_loss_is_ln_101():
    agent = built(latent=16)
    batch = random_batch(agent)
    assert torch.allclose(agent.updater.targets(batch, generator())[1], batch.reward, atol=1e-4)
    weights = sum(0.7**t for t in range(3)) / 3
    with torch.no_grad():
        _, (_, reward, value, termination) = agent.updater.losses(batch, generator())
    assert float(reward) == pytest.approx(weights * math.log(101), rel=1e-4)
    assert float(value) == pytest.approx(weights * math.log(101), rel=1e-4)
    assert float(termination) == pytest.approx(math.log(2), rel=0.1)


@pytest.mark.parametrize(("horizon", "rho"), [(1, 0.3), (3, 1.0), (3, 0.5)])
def test_the_losses_are_these_sums(horizon, rho):
    """In plain words, step by step and member by member, without dropout."""
    agent = warm(built(horizon=horizon, rho=rho, dropout=0.0, episodic=True))
    net, batch = agent.networks, random_batch(agent)
    seen, target = agent.updater.targets(batch, generator(1))
    z = net.encoder({"vector": batch.observation["vector"][0]})
    sums = [0.0, 0.0, 0.0]
    cut = 0.0
    for t in range(horizon):
        both = torch.cat([z, batch.action[t]], -1)
        code = net.code.encode(batch.reward[t])
        z = net.dynamics(both)
        sums[0] += rho**t * ((z - seen[t]) ** 2).mean().item()
        sums[1] += rho**t * functional.cross_entropy(net.reward(both), code).item()
        for member in range(3):
            logits = net.critics(both)[member]
            sums[2] += rho**t * functional.cross_entropy(logits, net.code.encode(target[t])).item() / 3
        logit = net.termination(z)[:, 0]
        cut += functional.binary_cross_entropy_with_logits(logit, batch.terminated[t]).item() / horizon
    found = agent.updater.losses(batch, generator(1))[1]
    assert [float(loss) for loss in found] == pytest.approx([*(s / horizon for s in sums), cut], rel=1e-4)


def test_pixels_have_the_losses_of_states():
    """The same latents from images as from vectors: the same losses, targets and policy step."""
    state = warm(built(dropout=0.0))
    batch = random_batch(state)
    pixel = built(IMAGE, dropout=0.0)
    images = torch.randint(256, (4, 8, 64, 64, 9), dtype=torch.uint8)
    with torch.no_grad():
        latents = state.networks.encoder(batch.observation)
    same = {k: v for k, v in state.networks.state_dict().items() if not k.startswith("encoder")}
    pixel.networks.load_state_dict(same, strict=False)
    pixel.updater.target.load_state_dict(state.updater.target.state_dict())

    class Seen(torch.nn.Module):
        def forward(self, observation: dict[str, torch.Tensor], chance: object = None) -> torch.Tensor:
            image = observation["image"]
            return latents[0] if image.dim() == 4 else latents[1:]

    pixel.networks.encoder = Seen()
    seen = batch._replace(observation={"image": images})
    z, losses = state.updater.losses(batch, generator())
    pixel_z, pixel_losses = pixel.updater.losses(seen, generator())
    assert torch.allclose(pixel_z, z, atol=1e-6)
    assert torch.allclose(torch.stack(pixel_losses), torch.stack(losses), atol=1e-6)
    one, other = (a.updater.update_policy(z.detach(), generator(1)) for a in (state, pixel))
    assert torch.allclose(torch.stack(one), torch.stack(other), atol=1e-6)


def test_the_models_gradient_reaches_the_model_and_nothing_else():
    agent = warm(built())
    total = sum(agent.updater.losses(random_batch(agent), generator())[1])
    total.backward()
    net = agent.networks
    for module in (net.encoder, net.dynamics, net.reward, net.critics, net.termination):
        assert all(p.grad is not None and p.grad.any() for p in module.parameters())
    for module in (net.policy, agent.updater.target):
        assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize("part", [1, 2])
def test_reward_and_value_train_encoder_and_dynamics_too(part):
    agent = warm(built())
    agent.updater.losses(random_batch(agent), generator())[1][part].backward()
    for module in (agent.networks.encoder, agent.networks.dynamics):
        assert all(p.grad is not None and p.grad.any() for p in module.parameters())


def test_the_policys_step_moves_the_policy_alone():
    agent = warm(built())
    z = torch.rand(4, 8, 16, generator=generator()).requires_grad_()
    before = {name: value.clone() for name, value in agent.networks.state_dict().items()}
    agent.updater.update_policy(z.detach(), generator())
    after = agent.networks.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        name for name in before if name.startswith("policy.")
    }
    assert all(p.grad is None for p in agent.networks.critics.parameters())


@pytest.mark.parametrize("entropy", ["gaussian", "v1"])
def test_the_policys_loss_is_this_mean(entropy, monkeypatch):
    """H + 1 steps, weighted by rho**t, divided by their number; S has moved before it divides."""
    agent = warm(built(entropy=entropy, dropout=0.0, rho=0.5, entropy_scale=0.1))
    net, updater = agent.networks, agent.updater
    z = torch.rand(4, 8, 16, generator=generator())
    chance = generator(5)
    with torch.no_grad():
        mean, log_std = net.policy(z)
        noise = torch.randn(mean.shape, generator=chance)
        action = torch.tanh(mean + log_std.exp() * noise)
        two = torch.randperm(3, generator=chance)[:2]
        both = torch.cat([z, action], -1)
        value = torch.stack([net.code.decode(net.critics(row)[two]).mean(0) for row in both])
        scale = 1 + 0.01 * (max(1.0, float(spread(value[0]))) - 1)
        density = torch.distributions.Normal(mean, log_std.exp()).log_prob(mean + log_std.exp() * noise)
        expected = {
            "gaussian": -2 * density.sum(-1),
            "v1": -2 * ((-(noise**2) / 2 - log_std).sum(-1) - 0.919) + torch.log(1 - action**2 + 1e-6).sum(-1),
        }[entropy]
        steps = -(0.1 * expected + value / scale).mean(1)
    loss, entropy_mean, value_mean, _, found = updater.update_policy(z, generator(5))
    assert float(found) == pytest.approx(scale, rel=1e-4)
    assert float(entropy_mean) == pytest.approx(float(expected.mean()), rel=1e-4)
    assert float(value_mean) == pytest.approx(float(value.mean()), rel=1e-4)
    assert float(loss) == pytest.approx(sum(0.5**t * float(steps[t]) for t in range(4)) / 4, rel=1e-4)


def test_the_running_scale_follows_the_spread(monkeypatch):
    for distance, after in ((90.0, lambda k: 90 - 89 * 0.99**k), (0.5, lambda k: 1.0)):
        agent = built()
        monkeypatch.setattr("bench.agents.tdmpc2.update.spread", lambda value, d=distance: torch.tensor(d))
        for k in range(1, 6):
            scale = agent.updater.update_policy(torch.rand(4, 8, 16), generator())[-1]
            assert float(scale) == pytest.approx(after(k), rel=1e-5)


def test_the_target_critics_are_an_exponential_average():
    agent = warm(built(learning_rate=0.0))
    online = [p.clone() for p in agent.networks.critics.parameters()]
    before = [p.clone() for p in agent.updater.target.parameters()]
    for _ in range(7):
        agent.updater.update(random_batch(agent), generator())
    for now, one, zero in zip(agent.updater.target.parameters(), online, before, strict=True):
        assert torch.allclose(now, one - (one - zero) * 0.99**7, atol=1e-5)


def test_the_encoder_learns_at_its_own_rate():
    """Adam's first step is the learning rate for every parameter with a gradient."""
    agent = warm(built(learning_rate=1e-3))
    before = {name: value.clone() for name, value in agent.networks.state_dict().items()}
    agent.updater.update(random_batch(agent), generator())
    moved = {k: float((v - before[k]).abs().max()) for k, v in agent.networks.state_dict().items()}
    assert moved["encoder.net.0.weight"] == pytest.approx(3e-4, rel=0.01)
    assert moved["dynamics.0.weight"] == pytest.approx(1e-3, rel=0.01)
    assert moved["policy.net.0.weight"] <= 1e-3


def test_both_gradients_are_clipped(monkeypatch):
    agent = warm(built(clip=1e-3))
    norms = []
    for optimizer, parameters in (
        (agent.updater.model_optimizer, agent.updater.model),
        (agent.updater.policy_optimizer, agent.updater.policy),
    ):
        monkeypatch.setattr(optimizer, "step", lambda ps=parameters: norms.append(total_norm(ps)))
    agent.updater.update(random_batch(agent), generator())
    assert norms == pytest.approx([1e-3, 1e-3], rel=0.01)


def total_norm(parameters: list[torch.nn.Parameter]) -> float:
    return float(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm())


def test_one_batch_can_be_learnt_by_heart():
    """120 updates: consistency falls five-fold, the reward's loss nears the entropy of its two-hot code."""
    agent = played(batch=32, latent=64, width=64, horizon=2, learning_rate=2e-3, steps_per_update=1000).agent
    assert isinstance(agent, TDMPC2) and agent.updates == 0
    batch, updater = agent.batch(), agent.updater
    with torch.no_grad():
        start = updater.losses(batch, generator())[1]
    for _ in range(120):
        updater.update(batch, agent.generator)
    with torch.no_grad():
        end = updater.losses(batch, generator())[1]
    code = agent.networks.code.encode(batch.reward)
    floor = -(updater.weights[:-1] * torch.special.xlogy(code, code).sum(-1).mean(1)).mean()
    assert end[0] < start[0] / 5
    assert end[1] - floor < 0.1 * (start[1] - floor)


@pytest.mark.parametrize("task", [VECTOR, IMAGE], ids=lambda task: task.id)
def test_an_update_never_waits_for_the_device(task):
    agent = built(task)
    batch = random_batch(built())
    if task is IMAGE:
        batch = batch._replace(observation={"image": torch.zeros(4, 8, 64, 64, 9, dtype=torch.uint8)})
    with no_host_sync():
        found = agent.updater.update(batch, agent.generator)
    assert found.shape == (len(METRICS),)
    assert found.isfinite().all()
