"""Shared by all tests: the time each agent family may take."""

pytest_plugins = ["bench.tests.allowance"]
