"""Parts of `bench.agents.api.Cost` that families share. numpy only, so that a plan needs no torch."""

from __future__ import annotations

import math

from bench.agents.api import Task

NUMPY_PROCESS = 200_000_000  # bytes of a run's process before its agent: Python, numpy, a simulator
TORCH_PROCESS = 500_000_000  # bytes, the same with torch


def row_bytes(task: Task) -> int:
    """Bytes that one stored decision takes: the observation, the action, and a few dozen for reward and flags."""
    spaces = [*task.observation.spaces.values(), task.action]
    return 32 + sum(math.prod(space.shape or ()) * (space.dtype.itemsize if space.dtype else 4) for space in spaces)
