"""A killed run of planet goes on as if nothing had happened."""

from bench.tests.agents.recurrent import killed_and_resumed_equals_undisturbed
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture


def test_killed_and_resumed_equals_undisturbed(plan_run):  # noqa: F811
    updates = killed_and_resumed_equals_undisturbed(plan_run, "planet", "toy/reach", 150)
    assert updates == 4  # two after the second episode and after the third
