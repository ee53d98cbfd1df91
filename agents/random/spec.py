"""The entry of `random` in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import AgentConfig, AgentSpec, Scale, Task
from bench.agents.common.config import merge


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> AgentConfig:
    return merge(AgentConfig, variant)


spec = AgentSpec(
    name="random",
    summary="uniform random actions",
    cls="bench.agents.random.agent:RandomAgent",
    configure=configure,
)
