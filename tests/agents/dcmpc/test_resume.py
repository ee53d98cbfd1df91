"""A killed run of dcmpc goes on as if nothing had happened: in the middle of an episode and of a burst of updates."""

import signal

from bench.results.schema import Budget
from bench.tests.agents.dcmpc.subjects import SMALLEST
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture


def test_killed_and_resumed_equals_undisturbed(plan_run):  # noqa: F811
    sets = [f"dcmpc.{name}={value}" for name, value in SMALLEST.items()]
    budget = Budget(160, 160, 1, 1)  # two random episodes, then 60 planned decisions
    reference, run = (plan_run("dcmpc", "toy/reach", budget, sets=sets) for _ in range(2))
    assert reference.here() == 0
    assert run.go(fault="loop.observed:140", ticks=37).returncode == -signal.SIGKILL
    assert run.here(ticks=37) == 0  # in another process than the killed one
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"
    assert run.run.record.counters["updates"] == 150 // SMALLEST["steps_per_update"]  # of three finished episodes
