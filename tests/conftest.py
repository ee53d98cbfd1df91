"""Shared by all tests: one thread per process, as runs have, and the time each agent family may take."""

from bench.benchmarks.run_one import pin_threads

pin_threads(1)  # before any test imports numpy or torch

pytest_plugins = ["bench.tests.allowance"]
