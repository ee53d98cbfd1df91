"""Losses and what they are drawn from: alignment, masks, gradients, counts."""

import numpy as np
import pytest
import torch

from bench.agents.common.hostsync import no_host_sync
from bench.agents.counter import TASKS
from bench.agents.simulus.agent import Simulus
from bench.agents.simulus.cost import products
from bench.agents.simulus.frames import CHUNK
from bench.agents.simulus.optimizer import AdamW, Group
from bench.agents.simulus.priorities import UNSEEN, Priorities, drawn
from bench.agents.simulus.schedule import CONTROLLER, MODEL, TOKENIZER, Schedule
from bench.agents.simulus.update import Networks
from bench.agents.simulus.variants import VARIANTS
from bench.agents.simulus.world import Segments
from bench.benchmarks.products import Products
from bench.tests.agents.simulus.subjects import atari, built, config, generator, played, walker

VECTOR, IMAGE = TASKS["counter/vector-box"], TASKS["counter/image-discrete"]


def segments(agent: Simulus, seed: int = 0) -> Segments:
    """Noise in the agent's shapes; nothing ends."""
    layout, cfg, chance = agent.networks.tokenizers.layout, agent.config, generator(seed)
    shape = cfg.model_batch, cfg.length
    return Segments(
        torch.randint(60, (*shape, layout.observed), generator=chance),
        torch.randint(5, (*shape, layout.acted), generator=chance),
        torch.rand(shape, generator=chance),
        torch.zeros(shape, dtype=torch.bool),
        torch.ones(shape, dtype=torch.bool),
    )


def gradients(agent: Simulus, batch: Segments, term: str) -> torch.Tensor:
    """Of one term by the predictions: [B, T], whether there is any."""
    world, kept = agent.networks.world, []
    trunk = world.trunk

    def forward(*args, **options):
        y, state = type(trunk).forward(trunk, *args, **options)
        kept.append(y.detach().requires_grad_())
        return kept[0], state

    trunk.forward = forward
    terms, _ = world.losses(batch, agent.networks.tokenizers.codes, None)
    del trunk.forward
    (gradient,) = torch.autograd.grad(terms[term], kept, allow_unused=True)
    return torch.zeros_like(kept[0]) if gradient is None else gradient


@pytest.mark.parametrize("shift", [True, False])
def test_what_followed_an_action_is_learnt_at_the_next_prediction(shift):
    agent = built(VECTOR, end_shift=shift)
    batch = segments(agent)
    ended = batch._replace(terminated=batch.terminated.clone(), reward=batch.reward.clone())
    ended.terminated[1, 2], ended.reward[1, 2] = True, 5.0
    for term, place in (("reward", 3), ("end", 3 if shift else 2)):
        change = gradients(agent, ended, term) - gradients(agent, batch, term)
        touched = change.abs().flatten(2).amax(-1) > 0
        assert touched.nonzero().tolist() == [[1, place]]
        assert not change[..., :-1, :].any()  # read from the last slot alone


def test_what_counts_and_what_is_padding():
    agent = built(VECTOR)
    batch = segments(agent)
    batch.there[2, 3:] = False
    expected = {"token": [0] * agent.config.context, "reward": [0], "end": [0]}
    for term, none in expected.items():
        touched = gradients(agent, batch, term).abs().flatten(2).amax(-1) > 0
        whole = torch.ones_like(touched)
        whole[:, : len(none)] = False
        whole[2, 3:] = False
        assert torch.equal(touched, whole), term
    assert not gradients(agent, batch, "curiosity").any()  # the ensemble's errors do not reach the trunk
    terms, priority = agent.networks.world.losses(batch, None, None)
    alone = [
        agent.networks.world.losses(
            Segments(*(part[k : k + 1].expand(4, *part.shape[1:]) for part in batch)), None, None
        )[0]
        for k in range(4)
    ]
    assert torch.allclose(priority, torch.stack([one["token"] + one["reward"] for one in alone]), atol=1e-5)
    known = torch.tensor([float(part.sum()) for part in batch.there[:, agent.config.context :]])
    tokens = torch.stack([one["token"] for one in alone])
    assert torch.allclose(terms["token"], (tokens * known).sum() / known.sum(), atol=1e-5)


def test_each_member_learns_from_its_quarter_alone():
    agent = built(VECTOR)
    batch = segments(agent)
    quarter = agent.config.model_batch // 4
    other = batch._replace(tokens=batch.tokens.clone())
    other.tokens[:quarter] = (other.tokens[:quarter] + 1) % 60
    weight = agent.networks.world.ensembles["vector"].last.weight
    found = []
    for each in (batch, other):
        terms, _ = agent.networks.world.losses(each, None, None)
        found.append(torch.autograd.grad(terms["curiosity"], weight)[0])
    assert (found[0] != found[1]).flatten(1).any(1).tolist() == [True, False, False, False]


def test_prioritised_draws():
    rng = np.random.default_rng(0)
    for batch, count in ((32, 10), (16, 5), (8, 3), (10, 3)):
        priority = np.zeros(1000, np.float32)
        priority[:count] = 50
        index = drawn(rng, priority, batch, 0.3)
        assert len(set(index.tolist())) == batch
        assert set(range(count)) <= set(index.tolist())
        assert len(drawn(rng, np.zeros(batch), batch, 0.3)) == batch
    firsts = np.zeros(3)
    for _ in range(3000):
        firsts[drawn(rng, np.log([1.0, 2.0, 5.0]), 1, 0.3)[0]] += 1
    assert firsts / 3000 == pytest.approx([0.125, 0.25, 0.625], abs=0.03)
    with pytest.raises(ValueError):
        drawn(rng, np.zeros(3), 4, 0.3)


def test_priorities_count_from_the_draw_after_the_next_one_on():
    priorities, rows = Priorities(), np.array([3, 4, 5000])
    assert (priorities.of(rows) == UNSEEN).all()
    priorities.note(np.array([5000, 3]), torch.tensor([1.0, 2.0]))
    assert (priorities.of(rows) == UNSEEN).all()
    priorities.note(np.array([4, 3]), torch.tensor([float("nan"), 7.0]))
    other = Priorities()
    other.load_state_dict(priorities.state_dict())
    for each in (priorities, other):
        assert each.of(rows).tolist() == [2, UNSEEN, 1]
        each.note(np.array([6]), torch.tensor([0.0]))
        assert each.of(rows).tolist() == [7, UNSEEN, 1]  # what is not finite leaves what was there


def test_errors_land_on_what_was_drawn():
    agent = played(VECTOR, steps=45).agent
    assert agent.schedule.state_dict()["done"] > 0
    agent.priorities = Priorities()
    unit = agent.schedule.due(10**6)._replace(module=MODEL)
    rows = [agent._drawn(unit) for _ in range(2)]
    for some in rows:
        agent._update(unit, some)
    agent._drawn(unit)
    assert sorted(np.flatnonzero(agent.priorities.values != UNSEEN)) == sorted(rows[0])
    assert len(set(rows[0].tolist())) == agent.config.model_batch


@pytest.mark.parametrize("aligned", [True, False])
def test_segments_and_contexts_hold_what_happened(aligned):
    agent = played(VECTOR, steps=60, aligned_context=aligned).agent
    cfg = agent.config
    rows = agent.rows(0, cfg.length)
    whole = agent.replay.gather(np.stack([np.zeros_like(rows), rows], 1), cfg.length)
    batch = agent.segments(rows)
    assert (batch.there.sum(1) > cfg.context).all()
    assert np.array_equal(batch.there.numpy(), whole.episode == whole.episode[:, :1])
    assert not (batch.terminated.numpy() & whole.last).any()
    assert torch.equal(batch.reward, torch.from_numpy(whole.reward))
    rows = agent.rows(cfg.burn_in, 0)
    contexts = agent.contexts(rows)
    assert contexts.there.shape == (len(rows), cfg.burn_in + cfg.context)
    assert contexts.there[:, -cfg.context :].all()  # the model's context, or all but its first row
    ends = rows + cfg.context - 1 + (not aligned)
    last = agent.replay.gather(np.stack([np.zeros_like(ends), ends], 1), 1)
    assert aligned <= (not last.last.any())  # what the policy sees is no episode's end
    seen = agent.networks.tokenizers.observed({"vector": torch.from_numpy(last.observation["vector"][:, 0])})
    assert torch.equal(contexts.tokens[:, -1], seen)


def test_parity_learns_too():
    agent = played(IMAGE, steps=60, **VARIANTS["parity"]).agent
    assert agent.updates > 0
    norm = agent.networks.tokenizers.image.decoder[0]
    assert norm.num_batches_tracked > 0
    assert all(p.isfinite().all() for p in agent.networks.parameters())
    assert agent.metrics()["controller_skipped"] == 0


def test_counts_of_the_published_runs():
    schedule, first, total = (
        Schedule(config(atari(), "paper"), True),
        {},
        dict.fromkeys((TOKENIZER, MODEL, CONTROLLER), 0),
    )
    for epoch in range(1, 501):
        assert schedule.due(200 * epoch - 1) is None
        while unit := schedule.due(200 * epoch):
            schedule.did(unit)
            first.setdefault(unit.module, 200 * epoch)
            total[unit.module] += 1
            assert not unit.final
    schedule.final = config(atari(), "paper").final_epochs
    while unit := schedule.due(100_000):
        schedule.did(unit)
        total[unit.module] += 1
        assert unit.final
    assert list(total.values()) == [119_000, 115_000, 44_000]
    assert list(first.values()) == [1_200, 5_200, 10_200]
    control = Schedule(config(walker(), "paper"), False)
    counts = [control.counts(epoch) for epoch in range(1, 1001)]
    assert [sum(count[name] for count in counts) for name in total] == [0, 295_500, 98_000]
    units = [control.due(500 * 25)._replace(epoch=epoch) for epoch in (21, 24, 25)]
    assert [control.actor_trains(unit) for unit in units] == [False, False, True]


def test_final_epochs_are_owed_once_and_pay_no_bonus():
    agent = played(VECTOR, steps=60, final_epochs=1).agent
    while agent.learn():
        pass
    agent.finish()
    seen = []
    inner = agent.updater.controller
    agent.updater.controller = lambda contexts, intrinsic, *rest: (
        seen.append(intrinsic) or inner(contexts, intrinsic, *rest)
    )
    units, owed = 0, sum(agent.schedule.counts(100).values())
    while agent.learn():
        units += 1
        assert agent.schedule.final_fraction() == pytest.approx(units / owed)
    assert units == sum(agent.schedule.counts(100).values())
    assert seen == [0.0] * agent.config.controller_updates


@pytest.mark.parametrize("subject", ["mover", "seer"])
def test_no_update_waits_for_the_device(subject, request):
    """What is gathered, learnt and reported."""
    agent = request.getfixturevalue(subject)
    agent.device = torch.device("cpu")  # by that name a copy there is none to the host
    if agent.frames is not None:
        agent.frames.device = agent.device
    unit = agent.schedule.due(10**6)
    for module in [name for name, count in agent.schedule.counts(100).items() if count]:
        for _ in range(3):
            mine = unit._replace(module=module)
            rows = agent._drawn(mine)
            with no_host_sync():
                agent.means.add(agent._update(mine, rows))


@pytest.mark.parametrize("subject", ["mover", "seer"])
def test_acting_and_dreaming_never_wait_for_the_device(subject, request):
    agent = request.getfixturevalue(subject)
    space, chance = agent.task.observation.spaces, generator()
    seen = {key: torch.zeros(2, 3, *one.shape, dtype=torch.as_tensor(one.low).dtype) for key, one in space.items()}
    first = torch.zeros(2, 3, dtype=torch.bool)
    discrete = agent.networks.tokenizers.layout.acted == 1
    action = torch.zeros(2, 4, dtype=torch.int64) if discrete else torch.zeros(2, 4, *agent.task.action.shape)
    policy = agent.policy(2, 0, "explore")
    with no_host_sync():
        policy.step({key: value[:, 0] for key, value in seen.items()}, first[:, 0])
        model = agent.world_model
        dream = model.imagine(model.encode(seen, action[:, :2], first), action, chance)
    assert dream.feature.isfinite().all()


@pytest.mark.parametrize("subject", ["mover", "seer"])
def test_costs_are_the_products_that_are_computed(subject, request):
    agent = request.getfixturevalue(subject)
    task = agent.task
    said, unit = products(task, agent.config), agent.schedule.due(10**6)
    counted = {TOKENIZER: said.tokenizer, MODEL: said.model, CONTROLLER: said.controller}
    for module in [name for name, count in agent.schedule.counts(100).items() if count]:
        if agent.frames is not None:
            agent.frames.forget()
        mine = unit._replace(module=module, epoch=1000)
        rows = agent._drawn(mine)
        with Products() as found:
            agent._update(mine, rows)
        assert 1 <= 2 * counted[module] / found.flops < 1.15, module  # frames drawn twice are encoded once
    policy = agent.policy(1, 0, "explore")
    seen = {key: np.zeros((1, *space.shape), space.dtype) for key, space in task.observation.spaces.items()}
    with Products() as found:
        policy.act(seen, np.ones(1, bool))
    assert found.flops == pytest.approx(2 * said.decision, rel=0.01)


def test_frames_keep_their_tokens_until_the_tokenizer_changes(seer):
    agent = seer
    frames, rows = agent.frames, np.array([5, 7, 5, 2000])
    images = torch.from_numpy(np.random.default_rng(0).integers(256, size=(4, 64, 64, 3), dtype=np.uint8))
    images[2] = images[0]
    asked = []

    def encode(some):
        asked.append(len(some))
        return agent._encoded(some)

    frames.forget()
    found = frames.of(rows, images, encode)
    assert torch.equal(found, agent._encoded(images))
    other = built(IMAGE).frames
    other.load_state_dict(frames.state_dict())
    for each in (frames, other):
        assert torch.equal(each.of(rows, torch.zeros_like(images), encode), found)
    assert asked == [3]  # each once, and never again
    many = np.arange(3000, 3000 + CHUNK + 1)
    chunks = []
    frames.of(many, images[:1].repeat(len(many), 1, 1, 1), lambda some: chunks.append(len(some)) or found[:1])
    assert chunks == [CHUNK, 1]
    unit = agent.schedule.due(10**6)._replace(module=TOKENIZER)
    agent._update(unit, agent._drawn(unit))
    assert not frames.known.any()


def test_an_update_that_can_never_be_drawn_is_said():
    agent = played(VECTOR, steps=60, context=3, model_batch=60).agent
    assert agent.progress() == ("world model: waiting for longer episodes", None)
    assert agent.metrics() == {"epochs_waited": 2.0}
    with pytest.raises(RuntimeError, match=r"no update of the world model yet after 60.*it needs 60 places.*4 obs"):
        agent.finish()
    played(VECTOR, steps=10, context=3).agent.finish()  # nothing was owed


@pytest.mark.parametrize("subject", ["mover", "seer"])
def test_modules_train_apart(subject, request):
    agent = request.getfixturevalue(subject)
    parts = dict(agent.networks.named_children())
    unit = agent.schedule.due(10**6)
    trained = {TOKENIZER: "tokenizers", MODEL: "world", CONTROLLER: "controller"}
    for module in [name for name, count in agent.schedule.counts(100).items() if count]:
        mine, name = unit._replace(module=module), trained[module]
        before = {other: [p.clone() for p in part.parameters()] for other, part in parts.items()}
        agent._update(mine, agent._drawn(mine))
        for other, part in parts.items():
            same = all(torch.equal(a, b) for a, b in zip(before[other], part.parameters(), strict=True))
            assert same == (other != name or not before[other])


def test_the_first_epochs_train_the_critic_alone():
    agent = played(VECTOR, steps=60).agent
    contexts = agent.contexts(agent.rows(agent.config.burn_in, 0)[: agent.config.controller_batch])
    net = agent.networks.controller
    fresh = Networks(agent.config, VECTOR).controller
    net.load_state_dict(fresh.state_dict())
    agent.updater.optimizers["controller"] = AdamW([Group(list(net.parameters()), 0.0)], 1e-3, clip=1.0)
    agent.updater.controller(contexts, 1.0, False, agent.generator)
    assert torch.equal(net.actor.weight, fresh.actor.weight)
    assert not torch.equal(net.critic.linear.weight, fresh.critic.linear.weight)
