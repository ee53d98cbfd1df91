"""A killed run of simulus goes on as if nothing had happened: priorities and recurrent states included."""

import signal

from bench.results.schema import Budget
from bench.tests.agents.simulus.subjects import SMALLEST
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture


def test_killed_and_resumed_equals_undisturbed(plan_run):  # noqa: F811
    needed = ("model_batch", "controller_batch", "length", "burn_in", "model_after", "controller_after", "epoch_steps",
              "model_updates", "controller_updates", "lstm")  # fmt: skip
    sets = ["simulus.final_epochs=1", *(f"simulus.{name}={SMALLEST[name]}" for name in needed)]
    budget = Budget(60, 60, 1, 2)  # three epochs and a final one; killed in the middle of the third
    reference, run = (plan_run("simulus", "toy/reach", budget, sets=sets) for _ in range(2))
    assert reference.here() == 0
    assert run.go(fault="loop.observed:45", ticks=35).returncode == -signal.SIGKILL
    assert run.here(ticks=35) == 0  # in another process than the killed one
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"
    assert run.run.record.counters["updates"] == 4 * SMALLEST["model_updates"]
