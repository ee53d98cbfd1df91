"""The entry of `decqn` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gymnasium.spaces import flatdim

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import TORCH_PROCESS, row_bytes
from bench.agents.decqn.config import DecQNConfig
from bench.agents.decqn.variants import SCALES, VARIANTS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> DecQNConfig:
    images = {"steps_per_update": 4, "batch": 32} if "image" in task.observation.spaces else {}  # [Mnih 2015]
    return merge(DecQNConfig, SCALES[scale], {"discount": discount(task)}, images, variant)


def discount(task: Task) -> float:
    """0.99 [S], and in episodes under 500 decisions a horizon of a fifth of them, but never under 20."""
    return 0.99 if task.episode_steps is None else min(max(1 - 5 / task.episode_steps, 0.95), 0.99)


def supports(task: Task, config: DecQNConfig) -> str | None:
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None and image.shape[:2] != (64, 64):
        return f"decqn sees images of 64x64 pixels, and those of {task.id} are {image.shape[0]}x{image.shape[1]}"
    return None


def cost(task: Task, config: DecQNConfig) -> Cost:
    vectors = [space for key, space in task.observation.spaces.items() if key != "image"]
    sizes = [sum(flatdim(space) for space in vectors), *config.hidden]
    products = sum(a * b for a, b in pairwise(sizes))
    if "image" in task.observation.spaces:  # 15x15, 6x6 and 4x4 places of the three convolutions
        one, two, three = config.channels
        products += 225 * 192 * one + 36 * 16 * one * two + 16 * 9 * two * three + 16 * three * config.hidden[0]
    update = 10 * products * config.batch  # online forward and backward, the next observation twice; 2 FLOPs a product
    return Cost(update / config.steps_per_update, TORCH_PROCESS, row_bytes(task), config.replay)


spec = AgentSpec(
    name="decqn",
    summary="double DQN with n-step returns, decoupled over action dimensions; no world model",
    cls="bench.agents.decqn.agent:DecQN",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Seyde et al. 2023, Solving Continuous Control via Q-Learning, arXiv:2210.12566",
)
