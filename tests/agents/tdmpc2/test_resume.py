"""A killed run of tdmpc2 goes on as if nothing had happened: in the middle of an episode, warm start included."""

import signal

from bench.results.schema import Budget
from bench.tests.agents.tdmpc2.subjects import SMALLEST
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture


def test_killed_and_resumed_equals_undisturbed(plan_run):  # noqa: F811
    sets = [f"tdmpc2.{name}={value}" for name, value in SMALLEST.items()]
    budget = Budget(110, 110, 1, 1)  # 50 random decisions, then 60 planned ones
    reference, run = (plan_run("tdmpc2", "toy/reach", budget, sets=sets) for _ in range(2))
    assert reference.here() == 0
    assert run.go(fault="loop.observed:85", ticks=60).returncode == -signal.SIGKILL
    assert run.here(ticks=60) == 0  # in another process than the killed one
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"
    assert run.run.record.counters["updates"] == 109 // SMALLEST["steps_per_update"]
