"""One update against its equations: losses, targets, gradients, averages, and what it must not touch."""

import pytest
import torch
from torch.nn import functional

from bench.agents.common.hostsync import no_host_sync
from bench.agents.dcmpc.update import effective_rank
from bench.tests.agents.dcmpc.subjects import built, generator, noise, played


@pytest.mark.parametrize(
    ("horizon", "rho", "training", "consistency"),
    [(1, 0.3, "sample", "cross-entropy"), (3, 1.0, "expected", "cross-entropy"), (3, 0.5, "sample", "cross-entropy"),
     (3, 0.5, "sample", "mse")],
)  # fmt: skip
def test_the_losses_are_these_sums(horizon, rho, training, consistency):
    """In plain words, step by step."""
    agent = built(horizon=horizon, rho=rho, training=training, consistency=consistency)
    net, (slices, _) = agent.networks, noise(agent)
    with torch.no_grad():
        chance = generator(1)
        z, sums = net.encode({"vector": slices.observation["vector"][0]}), [0.0, 0.0]
        for t in range(horizon):
            both = torch.cat([z, slices.action[t]], -1)
            seen = net.encode({"vector": slices.observation["vector"][t + 1]})
            output = net.dynamics(both)
            z = net.latents.after(output, training, chance)
            if consistency == "mse":
                sums[0] += rho**t * float((z - seen).square().mean())
            else:
                index = net.latents.fsq.index(seen.unflatten(-1, (2, 8)))
                sums[0] += rho**t * float(functional.cross_entropy(output.unflatten(-1, (15, 8)), index))
            sums[1] += rho**t * float((net.reward(both)[:, 0] - slices.reward[t]).square().mean())
        found = agent.updater.losses(slices, generator(1))[:2]
    assert [float(loss) for loss in found] == pytest.approx([s / horizon for s in sums], rel=1e-4)


def test_the_models_gradient_reaches_the_model_alone_and_through_the_drawn_codes():
    agent = built()
    slices, _ = noise(agent)
    consistency, reward, _ = agent.updater.losses(slices, generator())
    net = agent.networks
    for loss in (consistency, reward):  # the reward's passes through codes that the dynamics predicted
        net.zero_grad()
        loss.backward(retain_graph=True)
        for module in (net.encoder, net.dynamics):
            assert all(p.grad is not None and p.grad.any() for p in module.parameters())
    assert all(p.grad is not None and p.grad.any() for p in net.reward.parameters())
    for module in (net.actor, net.critics, agent.updater.target_actor, agent.updater.target_critics):
        assert all(p.grad is None for p in module.parameters())


def test_the_target_is_the_reward_and_the_lesser_of_two_critics_at_a_noisy_action():
    agent = built(target_noise=0.5, target_noise_limit=0.3)
    updater, (_, transitions) = agent.updater, noise(agent)
    later = agent.networks.encode(transitions.later).detach()
    found = updater.targets(later, transitions, generator(5))
    chance = generator(5)
    with torch.no_grad():
        mean = torch.tanh(updater.target_actor(later))
        deviation = (0.5 * torch.randn(mean.shape, generator=chance)).clamp(-0.3, 0.3)
        assert (deviation.abs() == 0.3).any()
        both = torch.cat([later, (mean + deviation).clamp(-1, 1)], -1)
        two = torch.randperm(3, generator=chance)[:2]
        values = updater.target_critics(both)[..., 0]
        expected = transitions.reward + transitions.discount * values[two].amin(0)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.equal(found[::4], transitions.reward[::4])  # the environment ended these


def test_the_least_of_two_and_the_mean_of_two_of_five_critics():
    """Critics that say 1 to 5: E[min of two] = 2, E[mean of two] = 3; the two differ and serve the whole batch."""
    agent = built(members=5)
    critics, chance = agent.networks.critics, generator()
    for parameter in critics.parameters():
        parameter.data.zero_()
    critics.last.bias.data.copy_(torch.arange(1.0, 6)[:, None, None])
    least, mean = [], []
    for _ in range(4000):
        value = critics(torch.zeros(2, 18), critics.two(chance))[..., 0].detach()
        assert torch.equal(value[:, 0], value[:, 1])
        assert value[0, 0] != value[1, 0]
        least.append(float(value[:, 0].amin()))
        mean.append(float(value[:, 0].mean()))
    assert sum(least) / 4000 == pytest.approx(2.0, abs=0.05)
    assert sum(mean) / 4000 == pytest.approx(3.0, abs=0.05)


def test_all_critics_learn_the_squared_error_of_what_was_decided():
    agent = built()
    updater, (_, transitions) = agent.updater, noise(agent)
    code, later = (agent.networks.encode(o).detach() for o in (transitions.observation, transitions.later))
    target = updater.targets(later, transitions, generator(5))
    with torch.no_grad():
        value = agent.networks.critics(torch.cat([code, transitions.action], -1))[..., 0]
    expected = (value - target).square()[:, :-1].mean()  # the last row holds no decision
    loss, *_ = updater.update_critics(code, later, transitions, generator(5))
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert all(p.grad is not None and p.grad.any() for p in agent.networks.critics.parameters())


def test_the_actors_step_moves_the_actor_alone_towards_what_two_critics_rate_highest():
    agent = built()
    code = agent.networks.encode({"vector": torch.randn(8, 4, generator=generator())}).detach()
    with torch.no_grad():
        both = torch.cat([code, torch.tanh(agent.networks.actor(code))], -1)
        two = torch.randperm(3, generator=generator(5))[:2]
        expected = -agent.networks.critics(both)[two].mean()
    before = {name: value.clone() for name, value in agent.networks.state_dict().items()}
    loss, _ = agent.updater.update_actor(code, generator(5))
    after = agent.networks.state_dict()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.startswith("actor.")}
    assert all(p.grad is None for p in agent.networks.critics.parameters())


def test_the_actor_moves_every_other_time():
    agent, moved = built(), []
    slices, transitions = noise(agent)
    for _ in range(4):
        before = [p.clone() for p in agent.networks.actor.parameters()]
        agent.updater.update(slices, transitions, generator())
        moved.append(any(not torch.equal(a, b) for a, b in zip(before, agent.networks.actor.parameters(), strict=True)))
    assert moved == [False, True, False, True]


@pytest.mark.parametrize(("part", "steps"), [("critics", 6), ("actor", 3)])
def test_targets_are_exponential_averages(part, steps):
    agent = built(learning_rate=0.0, model_rate=0.0)
    updater, (slices, transitions) = agent.updater, noise(agent)
    target = {"critics": updater.target_critics, "actor": updater.target_actor}[part]
    for parameter in updater.parts[part]:
        parameter.data.add_(1)
    online = [p.clone() for p in updater.parts[part]]
    before = [p.clone() for p in target.parameters()]
    for _ in range(6):
        updater.update(slices, transitions, generator())
    rate = agent.config.target_rate
    for now, one, zero in zip(target.parameters(), online, before, strict=True):
        assert torch.allclose(now, one - (one - zero) * (1 - rate) ** steps, atol=1e-5)


def test_each_part_has_its_own_rate_and_the_model_decays():
    """Adam's first step is the learning rate for every parameter with a gradient; a weight of no gradient decays."""
    agent = built(learning_rate=3e-3, model_rate=1e-3, weight_decay=0.1)
    net, (slices, transitions) = agent.networks, noise(agent)
    net.reward[-1].weight.data.zero_()
    net.reward[0].weight.data.fill_(1.0)  # of no gradient, as nothing comes back through the last layer
    before = {name: value.clone() for name, value in net.state_dict().items()}
    agent.updater.update(slices, transitions, generator())
    change = {name: value - before[name] for name, value in net.state_dict().items()}
    assert float(change["dynamics.0.norm.bias"].abs().max()) == pytest.approx(1e-3, rel=0.01)
    assert float(change["critics.last.bias"].abs().max()) == pytest.approx(3e-3, rel=0.01)
    assert torch.allclose(change["reward.0.weight"], torch.tensor(-1e-4), rtol=0.01)


def test_every_gradient_is_clipped(monkeypatch):
    agent, norms = built(clip=1e-3), {}
    updater = agent.updater
    for name, optimizer in updater.optimizers.items():

        def step(name: str = name) -> None:
            norms[name] = float(torch.stack([p.grad.norm() for p in updater.parts[name]]).norm())  # type: ignore[union-attr]

        monkeypatch.setattr(optimizer, "step", step)
    updater.critic_steps = 1  # so that the actor has its turn
    updater.update(*noise(agent), generator())
    assert norms == pytest.approx(dict.fromkeys(("model", "critics", "actor"), 1e-3), rel=0.01)


def test_the_metrics_of_the_codes():
    agent = built(slots=2)
    code = agent.networks.latents.fsq.code(torch.tensor([[0, 3], [7, 3], [14, 3], [0, 3]])).flatten(1)
    assert float(agent.updater.codebook_used(code)) == pytest.approx((3 + 1) / 2 / 15)
    assert agent.updater.metrics[-1] == "codebook_used"
    assert "codebook_used" not in built(consistency="mse", bottleneck="none").updater.metrics
    direction = torch.linspace(-1, 1, 50)[:, None] * torch.ones(1, 6)
    assert float(effective_rank(direction)) == pytest.approx(1.0, abs=1e-4)
    assert float(effective_rank(torch.ones(50, 6))) == 0.0
    assert float(effective_rank(torch.randn(50_0, 6, generator=generator()))) == pytest.approx(6.0, abs=0.2)


def test_one_batch_can_be_learnt_by_heart():
    """100 updates: the cross-entropy falls to half, though the codes move on, and the reward's error to a tenth."""
    sizes = {"batch": 64, "slots": 16, "width": 64, "encoder_width": 64, "horizon": 1, "model_rate": 6e-3}
    agent = played(steps_per_update=1000, **sizes)
    assert agent.updates == 0
    slices, transitions = agent.slices(), agent.transitions()
    with torch.no_grad():
        start = agent.updater.losses(slices, generator())[:2]
    for _ in range(100):
        agent.updater.update(slices, transitions, agent.generator)
    with torch.no_grad():
        end = agent.updater.losses(slices, generator())[:2]
    assert end[0] < start[0] / 2
    assert end[1] < start[1] / 10


@pytest.mark.parametrize("diff", [{}, {"consistency": "mse", "bottleneck": "simnorm"}], ids=["codes", "numbers"])
def test_an_update_never_waits_for_the_device(diff):
    agent = built(**diff)
    slices, transitions = noise(agent)
    with no_host_sync():
        for _ in range(2):
            found = agent.updater.update(slices, transitions, agent.generator)
    assert found.shape == (len(agent.updater.metrics),)
    assert found.isfinite().all()
