"""The entry of `linear_q` in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import NUMPY_PROCESS, row_bytes
from bench.agents.linear_q.config import LinearQConfig


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> LinearQConfig:
    return merge(LinearQConfig, variant)


def supports(task: Task, config: LinearQConfig) -> str | None:
    wide = [key for key, space in task.observation.spaces.items() if len(space.shape or ()) != 1]
    return f"linear_q sees vectors only, and {task.id} shows {', '.join(wide)}" if wide else None


def cost(task: Task, config: LinearQConfig) -> Cost:
    inputs = row_bytes(task) // 4
    flops = 4 * config.batch * config.features * inputs  # the features of two observations; the rest is small beside it
    return Cost(flops, NUMPY_PROCESS, row_bytes(task), config.replay)


spec = AgentSpec(
    name="linear_q",
    summary="linear Q-learning on random Fourier features, numpy only: for tests of the suite itself",
    cls="bench.agents.linear_q.agent:LinearQ",
    configure=configure,
    supports=supports,
    cost=cost,
)
