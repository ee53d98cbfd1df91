"""The entry of `random` in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import AgentConfig, AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import NUMPY_PROCESS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> AgentConfig:
    return merge(AgentConfig, variant)


def cost(task: Task, config: AgentConfig) -> Cost:
    return Cost(flops=0, memory=NUMPY_PROCESS)


spec = AgentSpec(
    name="random",
    summary="uniform random actions",
    cls="bench.agents.random.agent:RandomAgent",
    configure=configure,
    cost=cost,
)
