"""The entry of `decqn` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import AgentSpec, Scale, Task
from bench.agents.common.config import merge
from bench.agents.decqn.config import DecQNConfig
from bench.agents.decqn.variants import SCALES, VARIANTS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> DecQNConfig:
    images = {"steps_per_update": 4, "batch": 32} if "image" in task.observation.spaces else {}  # [Mnih 2015]
    return merge(DecQNConfig, SCALES[scale], images, variant)


def supports(task: Task, config: DecQNConfig) -> str | None:
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None and image.shape[:2] != (64, 64):
        return f"decqn sees images of 64x64 pixels, and those of {task.id} are {image.shape[0]}x{image.shape[1]}"
    return None


spec = AgentSpec(
    name="decqn",
    summary="double DQN with n-step returns, decoupled over action dimensions; no world model",
    cls="bench.agents.decqn.agent:DecQN",
    configure=configure,
    supports=supports,
    variants=VARIANTS,
    source="Seyde et al. 2023, Solving Continuous Control via Q-Learning, arXiv:2210.12566",
)
