"""A killed run of dreamer_v2 goes on as if nothing had happened."""

from bench.tests.agents.recurrent import killed_and_resumed_equals_undisturbed
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture


def test_killed_and_resumed_equals_undisturbed(plan_run):  # noqa: F811
    updates = killed_and_resumed_equals_undisturbed(plan_run, "dreamer_v2", "toy/reach", 60)
    assert updates == 2 + 4  # at step 20, and one every 10; the first sequence comes at step 50, with an episode
