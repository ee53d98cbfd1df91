"""A killed run of contrastive_dreamer goes on as if nothing had happened."""

from bench.tests.agents.recurrent import killed_and_resumed_equals_undisturbed
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture


def test_killed_and_resumed_equals_undisturbed(plan_run):  # noqa: F811
    updates = killed_and_resumed_equals_undisturbed(plan_run, "contrastive_dreamer", "toy/reach", 60)
    assert updates == 2 + 4  # at frame 20, and one every 10; the first sequence comes at frame 50, with an episode
