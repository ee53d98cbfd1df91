"""The entry of `dreamer` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from gymnasium import spaces

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import TORCH_PROCESS, row_bytes
from bench.agents.common.names import unknown
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.variants import GENERATIONS, SCALES, VARIANTS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> DreamerConfig:
    generation = merge(DreamerConfig, variant).generation
    settings = GENERATIONS.get(generation, {}).get(task.id.partition("/")[0], {})
    return merge(DreamerConfig, settings, SCALES[scale], variant)


def supports(task: Task, config: DreamerConfig) -> str | None:
    if config.generation not in GENERATIONS:
        return unknown("protocol generation of dreamer", config.generation, GENERATIONS)
    if not task.observation.spaces:
        return f"dreamer learns from observations, and {task.id} has no observation key"
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None and image.shape[:2] not in ((64, 64), (96, 96)):
        return (
            f"dreamer halves images four times to 4x4 or 6x6, so it sees 64x64 or 96x96 pixels, and those of {task.id} "
            f"are {image.shape[0]}x{image.shape[1]}"
        )
    rows = config.replay // config.collection.envs
    if config.length + 1 > rows:
        return (
            f"dreamer trains on windows of {config.length + 1} rows (length + 1), and its replay holds {rows} of each "
            f"environment (replay / collection.envs)"
        )
    if config.deter % config.blocks or config.units % 16 or config.bins % 2 == 0:
        return "dreamer needs deter in whole blocks, units in multiples of 16 and an odd number of bins"
    return None


def cost(task: Task, config: DreamerConfig) -> Cost:
    """Products of the dense layers, times what an update does with each."""
    d, deter, flat = config.units, config.deter, config.latents * config.classes
    action = int(task.action.n) if isinstance(task.action, spaces.Discrete) else spaces.flatdim(task.action)
    core = (deter + flat + action) * d + deter * (deter // config.blocks + 3 * d) + 3 * deter * deter // config.blocks
    head = (deter + flat) * d
    prior, policy, value = deter * d + d * d + d * flat, head + 2 * d * d, head + 2 * d * d + d * config.bins
    vectors = [space for key, space in task.observation.spaces.items() if key != "image"]
    numbers = sum(spaces.flatdim(space) for space in vectors)
    seen = 2 * numbers * d + 4 * d * d + head if vectors else 0
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None:
        height, width, channels = image.shape
        sizes = [channels, *(config.depth * n for n in (2, 3, 4, 4))]
        areas = [height * width // 4**n for n in range(4)]
        seen += 2 * 25 * sum(a * b * area for a, b, area in zip(sizes, sizes[1:], areas, strict=False))
        seen += deter * prod((height // 16, width // 16)) * sizes[-1] // config.blocks
    step = core + 2 * prior + seen + 2 * head + value  # of the world model, per replayed step, with gradients
    dream = config.imagination * (core + prior + policy + 2 * head + value)  # per replayed step, without
    learnt = config.imagination * (policy + value)  # and with
    flops = 2 * config.train_ratio * (3 * step + dream + 3 * learnt) + 2 * (core + prior + policy + seen)
    parameters = core + 2 * prior + seen + 2 * head + policy + value
    memory = TORCH_PROCESS + 20 * parameters + 16 * config.batch * config.length * config.imagination * (deter + flat)
    return Cost(flops, memory, row_bytes(task) + 2 * deter + config.latents, config.replay)


spec = AgentSpec(
    name="dreamer",
    summary="DreamerV3: a recurrent state-space model with categorical latents, actor and critic trained in its dreams",
    cls="bench.agents.dreamer.agent:Dreamer",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Hafner et al. 2025, Mastering diverse control tasks through world models, Nature; arXiv:2301.04104",
)
