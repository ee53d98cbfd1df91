"""What an agent is handed: each action beside what it was chosen on and what followed, over resets and cuts."""

from __future__ import annotations

import numpy as np
import pytest

from bench.agents import registry as agents
from bench.agents.api import Collection
from bench.benchmarks.collector import Collector
from bench.envs import carracing_pool
from bench.envs import registry as envs
from bench.envs.vector import VectorTask

TASK = "toy/maze"
COUNT = 3


@pytest.fixture
def collector():
    spec = agents.get("random")
    task = envs.task(TASK)
    agent = agents.load(spec)(spec.configure(task, "tiny", {}), task, 0, "cpu")
    rows = []
    made = Collector(VectorTask([envs.make(TASK) for _ in range(COUNT)]), agent, lambda *row: rows.append(row))
    made.start()
    return made, agent, rows


def test_steps_are_aligned_over_resets(collector):
    made, agent, rows = collector
    policy = agent.policy(COUNT, 1, "explore")
    previous = None
    returns = np.zeros(COUNT)
    for _ in range(200):
        observation, first = made.current()
        action, extras = policy.act(observation, first)
        step = made.step(action, extras)
        assert step.action is action
        assert step.extras is extras
        np.testing.assert_array_equal(step.observation["vector"], observation["vector"])
        if previous is not None:
            ended = previous.terminated | previous.truncated
            np.testing.assert_array_equal(step.first, ended)
            same = ~ended
            np.testing.assert_array_equal(step.observation["vector"][same], previous.next_observation["vector"][same])
            assert (step.episode[ended] > previous.episode[ended]).all()
        returns += step.reward
        made.cut(None)
        for env in np.flatnonzero(step.terminated | step.truncated):
            row = next(row for row in rows if row[0] == step.episode[env])
            assert row[1] == agent.episode_seed(row[0])
            assert row[2] == pytest.approx(returns[env])
            assert row[4] == ("terminated" if step.terminated[env] else "truncated")
            returns[env] = 0
        previous = step
    assert len(rows) > COUNT


def test_a_cut_ends_an_episode_without_a_step(collector):
    made, agent, rows = collector
    policy = agent.policy(COUNT, 1, "explore")
    observation, first = made.current()
    step = made.step(*policy.act(observation, first))
    made.cut(np.array([False, True, False]))
    assert [(row[0], row[3], row[4]) for row in rows] == [(int(step.episode[1]), 1, "cut")]
    assert made.current()[1].tolist() == [False, True, False]


def test_an_episode_that_comes_out_differently_is_closed_as_stopped(collector):
    made, agent, rows = collector
    policy = agent.policy(COUNT, 1, "explore")
    for _ in range(5):
        observation, first = made.current()
        made.step(*policy.act(observation, first))
        made.cut(None)
    state = made.state_dict()
    state["open"][2]["hash"] = "another machine's"
    ended = len(rows)
    fresh = Collector(VectorTask([envs.make(TASK) for _ in range(COUNT)]), agent, lambda *row: rows.append(row))
    assert fresh.load_state_dict(state) == 1
    assert [row[4] for row in rows[ended:]] == ["stopped"]
    np.testing.assert_array_equal(fresh.current()[0]["vector"][:2], made.current()[0]["vector"][:2])
    assert fresh.current()[1][2]


@pytest.mark.skipif(
    carracing_pool.missing() is not None, reason=f"resume with EnvPool not checked: {carracing_pool.missing()}"
)
def test_open_episodes_of_envpool_are_played_again_to_where_they_stood():
    spec, task = agents.get("random"), envs.task("carracing/v3")
    agent = agents.load(spec)(spec.configure(task, "tiny", {}), task, 0, "cpu")

    def made() -> Collector:
        cars = [envs.make(task.id, Collection(backend="envpool")) for _ in range(2)]
        return Collector(VectorTask(cars), agent, lambda *row: None)

    one, other, policy = made(), made(), agent.policy(2, 1, "explore")
    one.start()

    def drive(step: int, *collectors: Collector) -> list[np.ndarray]:
        action, extras = policy.act(*one.current())
        seen = [collector.step(action, extras).next_observation["image"] for collector in collectors]
        for collector in collectors:
            collector.cut(np.array([step == 15, False]))
        return seen

    for step in range(40):
        drive(step, one)
    assert other.load_state_dict(one.state_dict()) == 0
    for step in range(20):
        np.testing.assert_array_equal(*drive(step, one, other))
