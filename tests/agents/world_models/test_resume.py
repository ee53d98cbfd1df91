"""A run that stops in any of its stages goes on as if nothing had happened; killed for real among M's updates. All
stages are killed for real in tests/benchmarks/test_kill_matrix.py, on CarRacing as well."""

import json
import shutil
import signal

import numpy as np
import pytest

from bench.agents.common.tree import copied, difference
from bench.agents.world_models import agent as module
from bench.results.schema import Budget
from bench.tests.agents.world_models.subjects import DREAM, SMALLEST, subject
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture

LONGER = {"v_epochs": 3, "m_updates": 10, "rollouts": 1, "horizon": 12, "gap_rollouts": 1}
STEPS = 76


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(SMALLEST, id="real"),
        pytest.param({**DREAM, "generations": 16}, id="dream", marks=pytest.mark.slow),
    ],
)
def test_stopped_in_any_stage_equals_undisturbed(sizes, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ENCODED", 2)  # frames per unit, so that there is a midst of it
    monkeypatch.setattr(module, "DREAMT", 1)
    whole, stops = subject(sizes=sizes, **LONGER), {}
    (written := tmp_path / "replay").mkdir()

    def look(step: int) -> None:
        agent = whole.agent
        rated = bool(np.isfinite(agent.returns).any())
        midst = {"C": agent.round > 0 and (agent.dream is not None or rated), "gap": rated}
        if agent.stage in stops or not midst.get(agent.stage, True):
            return
        manifest = json.loads(json.dumps(agent.replay.flush(written)))
        folder = shutil.copytree(written, tmp_path / agent.stage)
        place = whole.counter.at.copy(), whole.counter.episode.copy()
        stops[agent.stage] = step + 1, folder, manifest, copied(whole.state()), place

    whole.play(STEPS, look)
    assert list(stops) == list(module.STAGES if sizes["fitness"] == "dream" else module.STAGES[:-1])
    for stage, (after, folder, manifest, state, (at, episode)) in stops.items():
        again = subject(sizes=sizes, **LONGER)
        again.agent.replay.restore(folder, manifest)
        again.agent.load_state_dict(state["agent"])
        again.policy.load_state_dict(state["policy"])
        again.counter.at, again.counter.episode = at, episode
        again.play(STEPS - after)
        assert np.array_equal(again.actions, whole.actions[after:]), stage
        assert not difference(whole.state(), again.state()), stage


def test_killed_and_resumed_equals_undisturbed(plan_run):  # noqa: F811
    sets = [f"world_models.{name}={value}" for name, value in {**SMALLEST, "m_updates": 20}.items()]
    budget = Budget(260, 260, 1, 1)  # 150 decisions of data; 18, 1 and 20 units; two episodes of C
    reference, run = (plan_run("world_models", "toy/reach", budget, sets=sets) for _ in range(2))
    assert reference.here() == 0
    assert run.go(fault="loop.unit:30", ticks=60).returncode == -signal.SIGKILL
    assert run.here(ticks=60) == 0
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"
    assert run.run.record.counters["updates"] == 18 + 20
