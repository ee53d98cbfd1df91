"""A run killed once in every stage goes on as if nothing had happened; on CarRacing in tests/benchmarks."""

import signal

import pytest

from bench.results.schema import Budget
from bench.tests.agents.world_models.subjects import SMALLEST
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture

# 3 random episodes of 50 decisions; then ticks of V (18 updates), codes (1), M (60); then episodes of candidates
SIZES = {**SMALLEST, "m_updates": 60}
KILLS = {"data": ("loop.observed:100",), "V": ("loop.unit:9",), "M": ("loop.unit:50",), "C": ("loop.observed:700",)}


def test_killed_in_every_stage_equals_undisturbed(plan_run):  # noqa: F811
    sets = [f"world_models.{name}={value}" for name, value in SIZES.items()]
    budget = Budget(700, 700, 1, 1)
    reference, run = (plan_run("world_models", "toy/reach", budget, sets=sets) for _ in range(2))
    assert reference.here() == 0
    for kill in ("loop.observed:100", "loop.unit:30", "loop.observed:450"):  # passes count from each start
        assert run.go(fault=kill, ticks=37).returncode == -signal.SIGKILL, kill
    done = run.go(ticks=37)
    assert done.returncode == 0, done.stderr
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"
