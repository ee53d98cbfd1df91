"""DecQN's targets, networks and update against their equations; neither update nor act waits for the device."""

import numpy as np
import pytest
import torch

from bench.agents import conformance, registry
from bench.agents.common.bins import Bins
from bench.agents.common.exploration import epsilon, greedy_or_random
from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.nstep import n_step
from bench.agents.common.replay import SequenceReplay
from bench.agents.counter import TASKS
from bench.agents.decqn.agent import DecQN
from bench.tests.agents.counter import VECTOR, steps


def built(task_id: str = "counter/vector-box", **diff: object) -> DecQN:
    task = TASKS[task_id]
    spec = registry.get("decqn")
    config = registry.resolve(spec, task, "tiny", {"warmup": 20, "batch": 16, **diff}, {})
    subject = conformance.Subject(spec, config, task)
    subject.play(60)
    assert isinstance(subject.agent, DecQN)
    return subject.agent


def test_n_step_targets_stop_at_ends_and_bootstrap_from_time_limits():
    replay = SequenceReplay(VECTOR, 100)
    for step in steps(
        VECTOR, 1, 20
    ):  # lengths 3 (terminated), 5 (truncated), 2 (terminated), ...; rewards 1, 2, 3, ...
        replay.add(step)
    window = replay.gather(np.arange(9)[:, None] * [0, 1], 4)
    target = n_step(window, 0.5)
    assert target.reward.tolist() == [2.75, 3.5, 3, 0, 2.75, 4.5, 6.25, 6.5, 5]
    assert target.discount.tolist() == [0, 0, 0, 0, 0.125, 0.125, 0.125, 0.25, 0.5]
    assert target.row.tolist() == [3, 2, 1, 0, 3, 3, 3, 2, 1]
    assert target.valid.tolist() == [True, True, True, False, True, True, True, True, True]


def test_a_window_over_a_stopped_episode_is_not_valid():
    replay = SequenceReplay(VECTOR, 100)
    stream = list(steps(VECTOR, 1, 6))
    for step in (*stream[:2], *stream[3:5]):  # the first episode's last step never came
        replay.add(step)
    assert n_step(replay.gather(np.array([[0, 0], [0, 2]]), 2), 0.5).valid.tolist() == [True, True]
    assert n_step(replay.gather(np.array([[0, 1]]), 2), 0.5).valid.tolist() == [False]


def test_bins_are_inverted_by_choice():
    box, discrete = (TASKS[f"counter/vector-{kind}"].action for kind in ("box", "discrete"))
    bins = Bins(box, 5)
    choices = np.stack(np.meshgrid(range(5), range(5)), -1).reshape(-1, 2)
    assert np.array_equal(bins.choice(bins.actions(choices)), choices)
    assert bins.actions(choices).min() == -1
    assert bins.actions(choices).max() == 1
    assert Bins(discrete, 3).choices == 5
    assert Bins(discrete, 3).actions(np.array([[4], [0]])).tolist() == [4, 0]


def test_exploration_has_its_rate():
    assert [epsilon(step, 1.0, 0.1, 100) for step in (0, 50, 100, 1000)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    greedy = np.full((10_000, 1), 7)
    changed = greedy_or_random(greedy, 4, 0.3, np.random.default_rng(0)) != greedy
    assert abs(changed.mean() - 0.3) < 0.02


def test_parameter_counts():
    assert sum(p.numel() for p in built().parameters) == (4 + 1) * 128 + (128 + 1) * 128 + (128 + 1) * 2 * 3
    image = built("counter/image-discrete")
    convolutions = (8 * 8 * 3 + 1) * 8 + (4 * 4 * 8 + 1) * 16 + (3 * 3 * 16 + 1) * 16
    assert sum(p.numel() for p in image.parameters) == convolutions + 257 * 128 + 129 * 128 + 129 * 5


@pytest.mark.parametrize("double", [True, False])
def test_the_loss_is_hubers_of_the_decoupled_n_step_target(double):
    agent = built(double=double)
    batch = agent.batch()
    losses = []
    agent.online.requires_grad_(False)
    for b in range(16):
        rated = agent.target({"vector": batch["later"]["vector"][b : b + 1]})[0]
        judge = agent.online({"vector": batch["later"]["vector"][b : b + 1]})[0] if double else rated
        values = [rated[d, judge[d].argmax()] for d in range(2)]
        target = batch["reward"][b] + batch["discount"][b] * sum(values) / 2
        now = agent.online({"vector": batch["now"]["vector"][b : b + 1]})[0]
        error = float(target - sum(now[d, batch["choice"][b, d, 0]] for d in range(2)) / 2)
        if batch["valid"][b]:
            losses.append(0.5 * error**2 if abs(error) < 1 else abs(error) - 0.5)
    agent.online.requires_grad_(True)
    agent.metrics()
    agent.update(batch)
    assert agent.metrics()["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("task", ["counter/vector-box", "counter/image-discrete"])
def test_update_and_act_never_wait_for_the_device(task):
    agent = built(task)
    batch = agent.batch()
    with no_host_sync():
        agent.update(batch)
        agent.greedy(batch["now"], averaged=False)


def test_the_target_network_is_an_exponential_average():
    agent = built()
    before = [p.clone() for p in agent.target.parameters()]
    agent.update(agent.batch())
    for old, new, online in zip(before, agent.target.parameters(), agent.online.parameters(), strict=True):
        rate = agent.config.target_rate
        assert torch.allclose(new, (1 - rate) * old + rate * online, atol=1e-7)


def test_updates_are_owed_by_counts():
    agent = built(steps_per_update=3)
    while agent.learn():
        pass
    assert agent.updates == (agent.agent_steps - 20) // 3
