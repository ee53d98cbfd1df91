"""DreamerV3's losses, schedule and replay against the specification."""

import copy
import math

import numpy as np
import pytest
import torch
from gymnasium import spaces

from bench.agents import conformance, registry
from bench.agents.api import Step, Task
from bench.agents.common.categorical import unimix
from bench.agents.common.config import ConfigError, merge
from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.replay import SequenceReplay
from bench.agents.counter import TASKS
from bench.agents.dreamer import update
from bench.agents.dreamer.agent import Dreamer, latents
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.fresh import Fresh
from bench.agents.dreamer.update import ReturnScale, kl_losses, losses, replay_returns
from bench.agents.dreamer.variants import SIZES
from bench.tests.agents.counter import VECTOR, steps
from bench.tests.agents.dreamer.subjects import AS_PUBLISHED

SMALL = {"units": 32, "deter": 64, "batch": 4, "length": 8, "imagination": 5, "train_ratio": 2.0}


def built(task_id: str = "counter/vector-box", played: int = 60, **diff: object) -> Dreamer:
    task = TASKS[task_id]
    spec = registry.get("dreamer")
    subject = conformance.Subject(
        spec, registry.resolve(spec, task, "tiny", {**SMALL, **AS_PUBLISHED, **diff}, {}), task
    )
    subject.play(played)
    assert isinstance(subject.agent, Dreamer)
    return subject.agent


def window(agent: Dreamer):
    return agent.replay.gather(agent.fresh.draw(agent.rng, agent.config.batch), agent.config.length + 1)


@pytest.mark.parametrize("apart", [True, False])
def test_each_kl_term_trains_one_side_and_none_below_the_free_nats(apart):
    torch.manual_seed(0)
    post, prior = (torch.randn(2, 5, 4, requires_grad=True) for _ in range(2))
    spread = 8 if apart else 0.1
    dyn, rep = kl_losses(unimix(spread * post, 0.01), unimix(spread * prior, 0.01), 1.0)
    assert torch.equal(dyn, rep)
    assert (dyn > 1).all() if apart else (dyn == 1).all()
    for loss, trained in ((dyn, prior), (rep, post)):
        for logits in (post, prior):
            (gradient,) = torch.autograd.grad(loss.sum(), logits, allow_unused=True, retain_graph=True)
            moves = gradient is not None and bool((gradient != 0).any())
            assert moves == (apart and logits is trained)


def test_returns_along_replay():
    agent = built()
    batch = agent.batch(window(agent))._replace(reward=torch.tensor([[9.0, 1, 2, 3]]))
    for terminal, last, returns in (
        (3, 3, [17.5825, 16.85, 3.0]),
        (None, 3, [24.8725, 33.05, 39.0]),
        (None, 2, [23.05, 29.0, 39.0]),
    ):
        flags = [torch.tensor([[t == at for t in range(4)]]) for at in (terminal, last)]
        marked = batch._replace(terminal=flags[0], last=flags[1])
        found = replay_returns(marked, torch.tensor([[10.0, 20, 30, 40]]), 0.9, 0.5)
        assert found[0].tolist() == pytest.approx(returns, abs=1e-4)


def test_the_return_scale_is_a_slow_percentile_range():
    scale, returns = ReturnScale(0.01, "cpu"), torch.arange(101.0).reshape(1, 101)
    assert scale.update(returns) == 1
    assert scale.percentiles.tolist() == pytest.approx([0.05, 0.95], abs=1e-5)
    for n in range(2, 200):
        assert scale.update(returns).item() == pytest.approx(90 * (1 - 0.99**n), rel=1e-4)


def test_losses_at_initialisation():
    agent = built(played=40, warmup=10**9)  # updates change nothing
    total, _, report = losses(
        agent.networks, agent.slow, agent.scale, agent.config, agent.batch(window(agent)), agent.generator
    )
    assert report["loss_reward"].item() == pytest.approx(np.log(255), abs=1e-4)
    assert report["value"] == 0
    assert report["return"] == 0
    assert report["return_scale"] == 1
    terms = [value.item() for name, value in report.items() if name.startswith("loss_")]
    assert total.item() == pytest.approx(sum(terms), rel=1e-5)


@pytest.mark.parametrize(("starts", "steps"), [(0, 8), (3, 3), (8, 8)])
def test_dreams_set_out_from_the_last_states_of_every_window(starts, steps, monkeypatch):
    agent, begun, replayed = built(starts=starts), [], []
    imagine, returned = update.imagine, update.replay_returns
    monkeypatch.setattr(update, "imagine", lambda net, start, *rest: begun.append(start) or imagine(net, start, *rest))
    monkeypatch.setattr(update, "replay_returns", lambda *all_: replayed.append(all_[:2]) or returned(*all_))
    batch = agent.batch(window(agent))
    _, states, _ = losses(agent.networks, agent.slow, agent.scale, agent.config, batch, agent.generator)
    for found, state in zip(begun[0], states, strict=True):
        assert torch.equal(found, state[:, -steps:].flatten(0, 1))
    rewards, bootstrap = replayed[0][0].reward, replayed[0][1]
    assert torch.equal(rewards, batch.reward[:, -steps:])
    assert bootstrap.shape == (4, steps)


def test_the_scale_of_the_reconstruction_is_its_alone():
    def report(**diff: float) -> dict[str, torch.Tensor]:
        agent = built(**diff)
        batch = agent.batch(window(agent))
        return losses(agent.networks, agent.slow, agent.scale, agent.config, batch, agent.generator)[2]

    once, thrice = report(warmup=10**9), report(warmup=10**9, rec_scale=3.0)
    for name in ("reconstruction_vector", "reward", "dyn", "critic"):
        factor = 3.0 if name == "reconstruction_vector" else 1.0
        torch.testing.assert_close(thrice[f"loss_{name}"], factor * once[f"loss_{name}"])


def test_actor_and_critic_of_a_dream_whose_rewards_are_known(monkeypatch):
    """The same reward and probability c of going on everywhere, values 0: returns, weights and losses by hand."""
    agent = built(played=40, warmup=10**9)
    networks, config, c = agent.networks, agent.config, 0.9
    with torch.no_grad():
        networks.reward.layers[-1].bias[131] = 20.0  # nearly all the weight on one bin
        networks.going_on.layers[-1].weight.zero_()
        networks.going_on.layers[-1].bias.fill_(math.log(c / (1 - c)))
    entropies = []
    monkeypatch.setattr(networks.actor, "logprob", lambda policy, action: torch.full(action.shape[:-1], 1.5))
    entropy = networks.actor.entropy
    monkeypatch.setattr(networks.actor, "entropy", lambda policy: entropies.append(entropy(policy)) or entropies[-1])
    _, _, report = losses(networks, agent.slow, agent.scale, config, agent.batch(window(agent)), agent.generator)
    reward = networks.reward.mean(torch.zeros(1, config.deter + config.latents * config.classes)).item()
    horizon, decay = config.imagination, c * config.lambda_  # values are 0, so rewards alone are summed
    returns = [reward * sum(decay**j for j in range(horizon - k)) for k in range(horizon)]
    weights = [c ** (k + 1) for k in range(horizon)]  # the first holds c already
    assert report["return"].item() == pytest.approx(np.mean(returns), rel=1e-4)
    assert report["return_scale"] == 1
    flat, two_hot = torch.zeros(255), networks.value.distribution
    critic = [
        w * two_hot.loss(flat, torch.tensor(r), torch.tensor(0.0)).item() for w, r in zip(weights, returns, strict=True)
    ]
    assert report["loss_critic"].item() == pytest.approx(np.mean(critic), rel=1e-4)
    weight, back = torch.tensor(weights)[:, None], torch.tensor(returns)[:, None]
    actor = -(weight * (1.5 * back + config.entropy_scale * entropies[0])).mean()
    assert report["loss_actor"].item() == pytest.approx(actor.item(), rel=1e-5)


def test_the_critic_on_replayed_steps_alone_carries_behaviour_into_the_world_model():
    agent = built(played=60, warmup=1, learning_rate=1e-2)
    batch, encoder = agent.batch(window(agent)), list(agent.networks.encoder.parameters())

    def gradients(**diff: float) -> torch.Tensor:
        config = merge(agent.config, {"dyn_scale": 0.0, "rep_scale": 0.0, **diff})
        generator = torch.Generator().manual_seed(0)
        total, _, _ = losses(agent.networks, agent.slow, agent.scale, config, batch, generator)
        found = torch.autograd.grad(total, [*encoder, *agent.networks.actor.parameters()])
        return torch.cat([gradient.flatten() for gradient in found[: len(encoder)]])

    without = gradients(replay_value_scale=0.0)
    assert torch.equal(without, gradients(replay_value_scale=0.0, entropy_scale=9.0, lambda_=0.0))
    assert not torch.allclose(without, gradients())


def test_a_batch_pairs_every_observation_with_the_action_and_reward_that_led_to_it():
    agent = built(played=0)
    for step in steps(VECTOR, 1, 30):  # observation i of an episode shows (episode, i), after action (i-1)/10, reward i
        dense = agent.stored(agent.networks.rssm.initial(1))
        agent.replay = agent.replay if len(agent.replay) else SequenceReplay(VECTOR, 100, 1, agent.replay.dense)
        agent.replay.add(step, **dense)
    batch = agent.batch(agent.replay.gather(np.array([[0, row] for row in range(20)]), 9))
    at = batch.observation["vector"][..., 1]
    assert torch.equal(batch.first, at == 0)
    inside = ~batch.first
    assert torch.allclose(batch.action[..., 0][inside], (at[inside] - 1) / 10)
    assert torch.equal(batch.reward[inside], at[inside])
    assert not batch.reward[batch.first].any()
    episode = batch.observation["vector"][..., 0]
    length = torch.tensor([3, 5, 2])[(episode % 3).long()]
    assert torch.equal(batch.last, at == length)
    assert torch.equal(batch.terminal, (at == length) & (episode % 2 == 0))


def test_an_episode_that_was_stopped_ends_where_the_next_begins():
    agent = built(played=0)
    agent.replay = SequenceReplay(VECTOR, 100, 1, agent.replay.dense)
    stream = list(steps(VECTOR, 1, 6))
    for step in (*stream[:2], *stream[3:5]):  # the first episode's last step never came
        agent.replay.add(step, **agent.stored(agent.networks.rssm.initial(1)))
    batch = agent.batch(agent.replay.gather(np.array([[0, 0]]), 4))
    assert batch.first.tolist() == [[False, True, False]]
    assert batch.last.tolist() == [[True, False, False]]
    assert not batch.terminal.any()


def test_new_windows_come_once_and_in_order_then_any():
    replay = SequenceReplay(VECTOR, 10_000)
    fresh, rng = Fresh(replay, 4), np.random.default_rng(0)
    for step in steps(VECTOR, 1, 40):
        replay.add(step)
        fresh.add()
    rows = int(replay.heads[0])
    waiting = (rows - 1) // 4
    ids = fresh.draw(rng, waiting + 20)
    trained = (ids[:waiting, 1:] + np.arange(1, 5)).ravel()
    assert trained.tolist() == list(range(1, 4 * waiting + 1))  # all but the stream's very first
    assert len(set(ids[waiting:, 1].tolist())) > 10
    assert (ids[waiting:, 1] <= rows - 5).all()
    assert not fresh.queue


def test_new_windows_that_were_dropped_are_skipped():
    replay = SequenceReplay(VECTOR, 16)
    fresh = Fresh(replay, 4)
    for step in steps(VECTOR, 1, 60):
        replay.add(step)
        fresh.add()
    ids = fresh.draw(np.random.default_rng(0), 8)
    assert (ids[:, 1] >= replay.tails[0]).all()
    replay.gather(ids, 5)


def test_training_writes_back_the_latents_of_its_steps_and_no_others(monkeypatch):
    agent = built(played=80, train_ratio=1.0)
    rows = int(agent.replay.heads[0])
    ids = np.array([[0, 3], [0, 30]] * 2)
    monkeypatch.setattr(agent.fresh, "draw", lambda rng, batch: ids)
    before = agent.replay.gather(np.array([[0, 0]]), rows).dense
    batch = agent.batch(agent.replay.gather(ids, 9))
    generator, kept = agent.generator.get_state(), copy.deepcopy(agent.networks)
    agent.agent_steps += 100
    assert agent.learn()
    agent.generator.set_state(generator)
    _, states, _ = losses(kept, agent.slow, agent.scale, agent.config, batch, agent.generator)
    after = agent.replay.gather(np.array([[0, 0]]), rows).dense
    for name, values in agent.stored(states).items():
        changed = (after[name] != before[name]).any(-1)[0]
        assert set(np.flatnonzero(changed)) <= {*range(4, 12), *range(31, 39)}
        assert changed[4:12].any()
        for drawn, start in ((2, 4), (3, 31)):  # both windows twice: what was written last stays
            assert np.array_equal(after[name][0, start : start + 8], values[drawn])


def test_the_first_state_of_a_batch_is_the_stored_one():
    agent = built(played=20, train_ratio=0.0)
    ids = np.array([[0, 3]] * 4)
    agent.replay.write("stoch", ids[:1], np.full((1, agent.config.latents), 1, np.uint8))
    agent.replay.write("deter", ids[:1], torch.full((1, agent.config.deter), 0.5).bfloat16().view(torch.int16).numpy())
    before = agent.batch(agent.replay.gather(ids, 9)).before
    assert torch.equal(before.deter, torch.full_like(before.deter, 0.5))
    assert torch.equal(before.stoch.argmax(-1), torch.ones(4, agent.config.latents, dtype=torch.int64))


@pytest.mark.parametrize(
    ("envs", "ratio", "agent_steps", "updates"),
    [(1, 128.0, 100_000, 12_365), (1, 256.0, 100_000, 24_729), (16, 256.0, 1_000_000, 249_489)],
)
def test_updates_are_owed_by_counts(envs, ratio, agent_steps, updates):
    spec, task = registry.get("dreamer"), TASKS["counter/vector-box"]
    diff = {"train_ratio": ratio, "collection.envs": envs, "batch": 16, "length": 64}
    agent = Dreamer(registry.resolve(spec, task, "tiny", diff, {}), task, 0, "cpu")
    stored = agent.stored(agent.networks.rssm.initial(envs))
    zero = np.zeros(envs)
    step = Step({"vector": np.zeros((envs, 4), np.float32)}, np.zeros((envs, 2), np.float32), zero, {}, zero > 0,
                zero > 0, zero > 0, zero.astype(int), stored)  # fmt: skip
    while agent.start is None:
        agent.observe(step)
    assert agent.start == 1024 + 64 * envs
    assert agent.owed == 1
    agent.agent_steps = agent_steps
    assert agent.owed == updates


def test_the_slow_critic_follows_the_critic():
    agent = built(warmup=1, learning_rate=1e-2, played=60)
    before = [p.clone() for p in agent.slow.parameters()]
    agent.update(agent.batch(window(agent)))
    for old, slow, value in zip(before, agent.slow.parameters(), agent.networks.value.parameters(), strict=True):
        assert torch.allclose(slow, 0.98 * old + 0.02 * value, atol=1e-7)


@pytest.mark.parametrize("task_id", ["counter/vector-box", "counter/image-discrete"])
def test_update_act_and_imagination_never_wait_for_the_device(task_id):
    agent = built(task_id, played=40)
    batch, policy = agent.batch(window(agent)), agent.policy(4, 0, "explore")
    observation = {key: value[:, 0] for key, value in batch.observation.items()}
    generator = torch.Generator().manual_seed(0)
    first = torch.zeros(4, 8, dtype=torch.bool)
    with no_host_sync():
        agent.update(batch)
        policy.step(observation, first[:, 0])
        model = agent.world_model
        action = batch.action.argmax(-1) if agent.networks.actor.discrete else batch.action
        model.imagine(model.encode(batch.observation, action[:, 1:], first), action, generator)


def test_bfloat16_gives_the_same_losses_but_for_its_rounding():
    agent = built(played=60)
    batch = agent.batch(window(agent))
    reports = []
    for half in (False, True):
        agent.generator.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            total, states, report = losses(
                agent.networks, agent.slow, agent.scale, agent.config, batch, agent.generator
            )
        assert states.deter.dtype == torch.float32
        gradients = torch.autograd.grad(total, agent.optimizer.parameters)  # every parameter has one, in float32
        assert {gradient.dtype for gradient in gradients} == {torch.float32}
        reports.append(report)
    for name in ("loss_dyn", "loss_reconstruction_vector", "loss_reward", "loss_continue", "policy_entropy"):
        assert reports[1][name].item() == pytest.approx(reports[0][name].item(), rel=0.05)


def test_replay_holds_100k_image_steps_at_12M_in_under_5_gb():
    task = TASKS["counter/image-box"]
    config = merge(DreamerConfig, SIZES["12M"], {"replay": 1024, "collection.envs": 1})
    replay = SequenceReplay(task, config.replay, 1, latents(config))
    observation = {"image": np.zeros((1, 64, 64, 3), np.uint8)}
    no, zero = np.zeros(1, bool), np.zeros(1, np.int64)
    stored = {"deter": np.zeros((1, config.deter), np.int16), "stoch": np.zeros((1, config.latents), np.uint8)}
    for _ in range(1024):
        step = Step(observation, np.zeros((1, 2), np.float32), zero, observation, no, no, no, zero, stored)
        replay.add(step, **stored)
    assert replay.nbytes / 1024 * 100_000 < 5e9


def test_one_batch_is_learnt_by_heart():
    agent = built(played=60, warmup=10, learning_rate=4e-3)
    agent.metrics()
    batch = agent.batch(window(agent))
    losses = []
    for _ in range(30):
        agent.update(batch)
        losses.append(agent.metrics())
    for name, factor in (("reconstruction_vector", 0.5), ("reward", 0.5), ("continue", 0.5)):
        assert losses[-1][f"loss_{name}"] < factor * losses[0][f"loss_{name}"]


def refused(task: Task, **diff: object) -> str:
    spec = registry.get("dreamer")
    return spec.supports(task, registry.resolve(spec, task, "tiny", diff, {})) or ""


def test_bad_input_is_refused_with_the_reason():
    task = TASKS["counter/image-box"]
    odd = Task("gym:Odd", spaces.Dict({"image": spaces.Box(0, 255, (84, 84, 3), np.uint8)}), task.action, 1, None, True)
    blind = Task("gym:Blind", spaces.Dict({}), task.action, 1, None, True)
    assert "84x84" in refused(odd)
    assert "no observation key" in refused(blind)
    assert "needs 320 rows (length 64 x (batch 4 + 1 environments)), and its replay holds 300" in refused(
        task, batch=4, length=64, replay=300
    )
    assert "batch, warmup to be at least 1" in refused(task, batch=0, warmup=0)
    assert "whole blocks" in refused(task, depth=3)
    assert "at most 256 classes" in refused(task, classes=300)
    assert "train_ratio above 0" in refused(task, train_ratio=0.0)
    assert "starts=1 0 for all of it or from 2 to length" in refused(task, starts=1)
    assert "length=8" in refused(task, length=8, starts=9)
    assert "unknown protocol generation of dreamer 'v3'. Known: nature, v2" in refused(task, generation="v3")
    assert not refused(task)
    with pytest.raises(ConfigError, match="lambda_"):
        refused(task, **{"lambda": 0.9})


@pytest.mark.parametrize(
    ("task_id", "generation", "units", "ratio", "envs"),
    [
        ("atari/pong", "v2", 1024, 128, 1),
        ("dmc-state/walker_walk", "v2", 256, 512, 16),
        ("dmc-state/walker_walk", "nature", 64, 1024, 16),
        ("dmc-vision/walker_walk", "v2", 256, 512, 16),
        ("dmc-vision/walker_walk", "nature", 1024, 256, 16),
    ],
)
def test_the_settings_of_both_generations(task_id, generation, units, ratio, envs):
    task = TASKS["counter/image-box"]
    task = Task(task_id, task.observation, task.action, 1, None, True)
    config = registry.resolve(registry.get("dreamer"), task, "paper", {"generation": generation}, {})
    assert (config.units, config.train_ratio, config.collection.envs) == (units, ratio, envs)
    assert (config.deter, config.classes, config.depth) == (8 * units, units // 16, units // 16)
