"""What is stored, sampled, owed and acted: alignment, counts, plans, and requests that are refused."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from bench.agents import conformance
from bench.agents.api import Diverged, Step, Task
from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.planner import search
from bench.agents.counter import LENGTHS, Counter
from bench.agents.tdmpc2 import spec as entry
from bench.agents.tdmpc2.agent import TDMPC2, TDMPC2Policy, stacked
from bench.benchmarks import plan
from bench.benchmarks.errors import RequestError
from bench.envs import registry as envs
from bench.tests.agents.tdmpc2.subjects import (
    IMAGE,
    SMALLEST,
    VECTOR,
    built,
    config,
    control,
    generator,
    played,
    random_batch,
)


@pytest.mark.parametrize("task", ["counter/vector-box", pytest.param("counter/image-box", marks=pytest.mark.slow)])
def test_the_contract_is_kept(task, tmp_path):
    """At the smallest sizes, so that updates and plans are part of it."""
    file = tmp_path / "smallest.yaml"
    smallest = {**SMALLEST, "batch": 2, "horizon": 1, "members": 2, "iterations": 1, "steps_per_update": 32}
    file.write_text("\n".join(f"{name}: {value}" for name, value in smallest.items()))
    results = list(conformance.run(f"tdmpc2:{file}", [task]))
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert len(results) == 1 + len(conformance.CHECKS)


def test_a_batch_holds_what_happened():
    """The counter's observation shows (episode, place); its reward tells the action and the place."""
    agent = played(steps=60, batch=200, steps_per_update=1000).agent
    assert isinstance(agent, TDMPC2)
    batch, seen = agent.batch(), set()
    episode, place = (torch.round(batch.observation["vector"][..., k] * 16) for k in (0, 1))
    for t in range(3):
        assert torch.equal(place[t + 1], place[t] + 1)
        assert torch.equal(episode[t + 1], episode[t])
        assert torch.allclose(batch.reward[t], batch.action[t].mean(-1) + (place[t] % 3 == 0), atol=1e-6)
    lengths = torch.tensor(LENGTHS)[episode[0].long() % 3]
    for t in range(3):
        ended = (place[t] + 1 == lengths) & (episode[t] % 2 == 0)
        assert torch.equal(batch.terminated[t], ended.float())
        seen |= {(int(e), int(p)) for e, p in zip(episode[t], place[t], strict=True)}
    whole = {(e, p) for e in range(7) for p in range(LENGTHS[e % 3])}  # 56 decisions; the eighth is unfinished
    assert seen <= whole
    assert len(seen) > 0.9 * len(whole)


def test_a_batch_of_images_holds_the_last_three_of_its_episode():
    agent = played(IMAGE, steps=40, batch=60, steps_per_update=1000).agent
    assert isinstance(agent, TDMPC2)
    image = agent.batch().observation["image"]
    assert image.shape == (4, 60, 64, 64, 9)
    episode, place = (image[:, :, 1, 1, k::3].int() for k in (0, 1))  # [H + 1, B, images]
    assert (episode == episode[..., -1:]).all()
    last = place[..., -1:]
    assert torch.equal(place, (last + torch.arange(-2, 1)).clamp(min=0))
    assert (last[0] == 0).any()


def test_the_policy_and_the_model_see_the_same_images():
    agent, counter = built(IMAGE), Counter(IMAGE, 2)
    images, first, frames = [], [], None
    for _ in range(9):  # the first episode has 7 decisions
        images.append(counter.observe()["image"])
        first.append(counter.at == 0)
        frames = stacked(frames, images[-1], first[-1], 3)
        for length in range(1, len(images) + 1):
            seen, flags = np.stack(images[-length:], 1), np.stack(first[-length:], 1)
            flags[:, 0] = True  # as if nothing was seen before
            if length >= 3 or np.stack(first[-length:], 1)[:, 0].all():
                state = agent.world_model.encode({"image": torch.from_numpy(seen)}, None, torch.from_numpy(flags))
                assert torch.equal(state["z"], agent.networks.encoder({"image": torch.from_numpy(frames)}))
        counter.step(np.zeros((2, 2), np.float32), None)


def observed(agent: TDMPC2, number: int, envs: int, steps: int = 500) -> None:
    """Decision `number` of each environment, in episodes of `steps`."""
    seen = {"state": np.zeros((envs, 24), np.float32)}
    ends = np.full(envs, number % steps == steps - 1)
    agent.observe(
        Step(
            seen,
            np.zeros((envs, 6), np.float32),
            np.zeros(envs, np.float32),
            seen,
            np.full(envs, number % steps == 0),
            np.zeros(envs, bool),
            ends,
            np.arange(envs),
            None,
        )  # fmt: skip
    )


@pytest.mark.parametrize(("envs", "ratio"), [(1, 1), (1, 4), (4, 8)])
def test_updates_are_owed_as_the_authors_loop_does_them(envs, ratio, monkeypatch):
    """500-step episodes: nothing in 2500 decisions per environment, then one for each, then one per decision."""
    smallest = {**SMALLEST, "seed_steps": 1000, "seed_episodes": 5, "batch": 1, "steps_per_update": ratio}
    agent = TDMPC2(config(control(), **{**smallest, "collection.envs": envs}), control(), 0, "cpu")
    monkeypatch.setattr(agent, "update", lambda batch, generator: torch.zeros(10))
    done = {}
    for number in range(3000):
        observed(agent, number, envs)
        while agent.learn():
            pass
        done[number + 1] = agent.updates
    assert agent.seeding == 2500 * envs
    assert done[2500] == 0
    assert done[2501] == 2500 * envs // ratio
    assert done[3000] == 2999 * envs // ratio == (2500 + 499) * envs // ratio


def test_nothing_is_learnt_from_an_unfinished_episode():
    agent = TDMPC2(config(control(), **{**SMALLEST, "seed_episodes": 0}), control(), 0, "cpu")
    for number in range(499):
        observed(agent, number, 1)
    assert not agent.learn()
    observed(agent, 499, 1)
    assert agent.learn()


def test_the_first_decisions_are_uniform_and_later_ones_are_planned():
    agent = TDMPC2(config(control(), **SMALLEST), control(), 0, "cpu")
    policy, seen, first = agent.policy(1, 0, "explore"), {"state": np.zeros((1, 24), np.float32)}, np.zeros(1, bool)
    assert agent.seeding == 500
    actions = np.concatenate([policy.act(seen, first)[0] for _ in range(300)])
    assert (abs(actions.mean(0)) < 0.1).all()
    assert actions.std() == pytest.approx(1 / np.sqrt(3), abs=0.03)
    for count, planned in ((500, False), (501, True)):
        agent.agent_steps = count
        assert isinstance(policy, TDMPC2Policy)
        policy.act(seen, first)
        assert bool(policy.mean.any()) is planned


def test_the_warm_start_is_the_last_plan_and_a_first_row_forgets_it(monkeypatch):
    agent = built()
    policy, warm = agent.policy(2, 0, "evaluate"), []
    monkeypatch.setattr(
        "bench.agents.tdmpc2.agent.search", lambda r, mean, p, s, g: warm.append(mean) or search(r, mean, p, s, g)
    )
    observation = {"vector": np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)}
    policy.act(observation, np.array([True, True]))
    assert not warm[0].any()
    plan_ = policy.mean
    policy.act(observation, np.array([False, True]))
    assert torch.equal(warm[1][0], torch.cat([plan_[0, 1:], torch.zeros(1, 2)]))
    assert not warm[1][1].any()


def test_exploring_adds_the_plans_deviation_and_evaluating_does_not(monkeypatch):
    agent = built()
    agent.agent_steps = 1000
    plan_ = search(lambda c: -c.square().sum((1, 3)), torch.zeros(400, 3, 2), torch.zeros(400, 3, 2, 2), agent.search,
                   generator())  # fmt: skip
    monkeypatch.setattr(agent, "plan", lambda *_: plan_._replace(std=torch.full_like(plan_.std, 0.2)))
    observation, first = {"vector": np.zeros((400, 4), np.float32)}, np.ones(400, bool)
    evaluated, explored = (
        agent.policy(400, 0, mode).act(observation, first)[0] - plan_.action.numpy() for mode in ("evaluate", "explore")
    )
    assert not evaluated.any()
    inside = (abs(explored + plan_.action.numpy()) < 1).all(1)
    assert explored[inside].std() == pytest.approx(0.2, abs=0.03)


def test_react_is_the_mean_of_the_policy_prior():
    agent = built()
    seen = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    action, _ = agent.policy(3, 0, "react").act({"vector": seen}, np.ones(3, bool))
    with torch.no_grad():
        mean, _ = agent.networks.policy(agent.networks.encoder({"vector": torch.from_numpy(seen)}))
    assert np.allclose(action, torch.tanh(mean).numpy(), atol=1e-6)


@pytest.mark.parametrize("ends_after", [None, 0, 1])
def test_the_return_of_a_plan_is_this_sum(ends_after, monkeypatch):
    """Discounted rewards, then the mean of two critics; nothing after a step that probably ends the episode."""
    agent = built(episodic=ends_after is not None, horizon=3)
    net = agent.networks
    for number, weight in enumerate((net.reward[-1].weight, net.critics.last.weight)):
        weight.data.normal_(generator=generator(number))
    z0, actions = torch.rand(5, 16, generator=generator()), torch.rand(3, 5, 2, generator=generator(1))
    if ends_after is not None:
        logits = iter([torch.full((5, 1), 1.0 if t == ends_after else -1.0) for t in range(3)])
        monkeypatch.setattr(net.termination, "forward", lambda z: next(logits))
    with torch.no_grad():
        found = agent.returns(z0, actions, generator(7))
        z, expected, counted = z0, torch.zeros(5), 1.0
        for t in range(3):
            both = torch.cat([z, actions[t]], -1)
            expected += counted * agent.discount**t * net.code.decode(net.reward(both))
            z = net.dynamics(both)
            counted *= t != ends_after
        chance = generator(7)
        action, _, _ = net.policy.sample(z, chance)
        logits_ = net.critics(torch.cat([z, action], -1))[net.critics.two(chance)]
        expected += counted * agent.discount**3 * net.code.decode(logits_).mean(0)
    assert torch.allclose(found, expected, atol=1e-5)


def test_more_refits_where_actions_are_many():
    assert TDMPC2(config(control(actions=20), "paper"), control(actions=20), 0, "cpu").search.iterations == 8
    assert TDMPC2(config(control(actions=19), "paper"), control(actions=19), 0, "cpu").search.iterations == 6


@pytest.mark.parametrize("task", [VECTOR, IMAGE], ids=lambda task: task.id)
def test_plan_and_dream_never_wait_for_the_device(task):
    agent = built(task)
    counter = Counter(task, 3)
    seen = agent.tensors(counter.observe())
    whole = {"image": seen["image"].repeat(1, 1, 1, 3)} if task is IMAGE else seen
    model, action = agent.world_model, torch.zeros(3, 4, 2)
    flags = torch.ones(3, 1, dtype=torch.bool)
    with no_host_sync():
        agent.plan(whole, torch.zeros(3, 3, 2), agent.generator)
        agent.react(whole, agent.generator)
        state = model.encode({key: value[:, None] for key, value in seen.items()}, action[:, :0], flags)
        model.imagine(state, action, agent.generator)


def test_the_dream_is_the_models():
    agent = built()
    net, action = agent.networks, torch.rand(2, 3, 2, generator=generator())
    z = torch.rand(2, 16, generator=generator(1))
    dream = agent.world_model.imagine({"z": z}, action, generator())
    with torch.no_grad():
        for t in range(3):
            both = torch.cat([z, action[:, t]], -1)
            assert torch.allclose(dream.reward[:, t], net.code.decode(net.reward(both)), atol=1e-6)
            z = net.dynamics(both)
            assert torch.allclose(dream.feature[:, t], z, atol=1e-6)
            assert torch.allclose(dream.continuation[:, t], 1 - net.termination(z)[:, 0].sigmoid(), atol=1e-6)


def test_a_loss_that_is_no_number_is_a_divergence():
    agent = played(batch=4).agent
    assert isinstance(agent, TDMPC2)
    assert agent.metrics()
    batch = random_batch(agent)
    agent.sums += agent.updater.update(batch._replace(reward=batch.reward * torch.nan), agent.generator)
    agent.summed += 1
    with pytest.raises(Diverged, match="reward_loss"):
        agent.metrics()


BOTH = Task("both", spaces.Dict({**VECTOR.observation.spaces, **IMAGE.observation.spaces}), VECTOR.action, 1, 12, True)
LARGE = Task("large", spaces.Dict({"image": spaces.Box(0, 255, (96, 96, 3), np.uint8)}), VECTOR.action, 1, 12, True)
REFUSED = {
    "an image and vectors": (BOTH, {}, ["vector", "image"]),
    "another size of image": (LARGE, {}, ["64x64", "96x96"]),
    "a latent SimNorm does not divide": (control(), {"latent": 100}, ["SimNorm", "100", "8"]),
    "an image's latent without whole channels": (IMAGE, {"latent": 72}, ["16", "72"]),
    "a horizon beyond the episode": (VECTOR, {"horizon": 13}, ["13", "12 decisions"]),
    "an end that is not learnt": (VECTOR, {"episodic": False}, ["ends episodes", "episodic=false"]),
    "an entropy nobody knows": (control(), {"entropy": "sac"}, ["'sac'", "'gaussian'", "'v1'"]),
    "more elites than samples": (control(), {"samples": 8, "elites": 9}, ["samples=8", "elites=9"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_cannot_do_is_refused_with_the_reason(case):
    task, diff, words = REFUSED[case]
    said = entry.supports(task, config(task, **diff))
    assert said is not None and all(word in said for word in words), said


@pytest.mark.parametrize(
    ("task", "sets", "words"),
    [
        ("toy/maze", [], ["toy/maze", "discrete"]),
        ("toy/reach", ["tdmpc2.latent=100"], ["latent=100", "group=8"]),
        ("toy/reach", ["tdmpc2.horizon=51"], ["horizon=51", "50 decisions"]),
    ],
)
def test_the_command_says_so_before_it_starts(task, sets, words, tmp_path):
    with pytest.raises(RequestError) as refused:
        plan.make(plan.Request("tdmpc2", tasks=task, seeds="1", scale="tiny", frames="1000", sets=sets, root=tmp_path))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize("scale", ["paper", "small", "tiny"])
@pytest.mark.parametrize("task", [control(), VECTOR, IMAGE], ids=["control", "vector", "image"])
def test_every_scale_is_supported_and_has_its_costs(scale, task):
    resolved = config(task, scale)
    assert entry.supports(task, resolved) is None
    assert entry.cost(task, resolved).flops > 0


def test_toys_of_pictures_have_settings_of_their_own_at_smaller_scales():
    """What tells all in one picture is seen alone; elsewhere pictures are stacked as published."""
    where = [("toy/pixel-reach", "paper"), ("toy/pixel-reach", "small"), ("toy/pixel-reach", "tiny")]
    where += [("dmc-vision/walker_walk", scale) for scale in ("small", "tiny")]
    resolved = [config(envs.task(task), scale) for task, scale in where]
    assert [each.images for each in resolved] == [3, 1, 1, 3, 3]
    assert [each.image_gain for each in resolved] == [1.0, 3.2, 3.2, 1.0, 1.0]
    assert [each.latent for each in resolved] == [512, 512, 512, 128, 64]
    assert [each.steps_per_update for each in resolved] == [1, 2, 2, 1, 4]
    assert config(envs.task("toy/reach"), "tiny").batch == 64
