"""The entry of `dreamer` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import prod
from typing import Any

from gymnasium import spaces

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import TORCH_PROCESS, row_bytes
from bench.agents.common.names import unknown
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.variants import GENERATIONS, IMAGES, SCALES, TASKS, TOYS, VARIANTS

OBJECTIVES = ("reconstruction", "infonce", "none")


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> DreamerConfig:
    generation = merge(DreamerConfig, variant).generation
    protocol, images = task.id.partition("/")[0], "image" in task.observation.spaces
    settings = GENERATIONS.get(generation, {}).get(protocol, {})
    if protocol == "toy" and scale == "small":
        return merge(DreamerConfig, TOYS, IMAGES["tiny"] if images else {}, TASKS.get(task.id, {}), variant)
    return merge(DreamerConfig, settings, SCALES[scale], IMAGES[scale] if images else {}, variant)


def supports(task: Task, config: DreamerConfig) -> str | None:
    if config.generation not in GENERATIONS:
        return unknown("protocol generation of dreamer", config.generation, GENERATIONS)
    if config.objective not in OBJECTIVES:
        return unknown("objective of dreamer", config.objective, OBJECTIVES)
    if not task.observation.spaces:
        return f"dreamer learns from observations, and {task.id} has no observation key"
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None and image.shape[:2] not in ((64, 64), (96, 96)):
        return (
            f"dreamer halves images four times to 4x4 or 6x6, so it sees 64x64 or 96x96 pixels, and those of {task.id} "
            f"are {image.shape[0]}x{image.shape[1]}"
        )
    positive = ("units", "deter", "classes", "depth", "latents", "blocks", "batch", "length", "imagination", "warmup")
    if low := [name for name in positive if getattr(config, name) < 1]:
        return f"dreamer needs {', '.join(low)} to be at least 1"
    if config.horizon <= 1 or config.train_ratio <= 0:
        return "dreamer needs a horizon above 1 and a train_ratio above 0"
    if config.deter % config.blocks or 4 * config.depth % config.blocks or config.classes > 256 or config.bins % 2 == 0:
        return "dreamer needs deter and 4 x depth in whole blocks, at most 256 classes and an odd number of bins"
    if config.objective == "infonce" and config.batch * config.length < 2:
        return (
            f"dreamer:infonce tells the right one from other candidates: batch={config.batch} and "
            f"length={config.length} leave fewer than two"
        )
    if config.length < 2 or config.starts not in (0, *range(2, config.length + 1)):
        return (
            f"dreamer's critic learns from neighbours in a window: length={config.length} must be at least 2, and "
            f"starts={config.starts} 0 for all of it or from 2 to length"
        )
    rows = (config.batch + config.collection.envs) * config.length
    if config.replay < rows:
        return (
            f"dreamer's first batch needs {rows} rows (length {config.length} x (batch {config.batch} + "
            f"{config.collection.envs} environments)), and its replay holds {config.replay}"
        )
    return None


def cost(task: Task, config: DreamerConfig) -> Cost:
    """Products of the layers, times what an update does with each."""
    d, deter, flat = config.units, config.deter, config.latents * config.classes
    action = int(task.action.n) if isinstance(task.action, spaces.Discrete) else spaces.flatdim(task.action)
    core = (deter + flat + action) * d + deter * (deter // config.blocks + 3 * d) + 3 * deter * deter // config.blocks
    head = (deter + flat) * d
    prior, policy, value = deter * d + d * d + d * flat, head + 2 * d * d, head + 2 * d * d + d * config.bins
    numbers = sum(spaces.flatdim(space) for key, space in task.observation.spaces.items() if key != "image")
    dense = numbers * d + 2 * d * d if numbers else 0
    tokens = d if numbers else 0
    encoder, decoder = [dense, dense], [dense + head if numbers else 0] * 2  # parameters, and products of a step
    activations = 12.0 * deter + 20 * d  # numbers kept per replayed step for the gradient
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None:
        height, width, channels = image.shape
        sizes = [channels, *(config.depth * n for n in (2, 3, 4, 4))]
        areas = [height * width // 4**n for n in range(4)]
        weights = [25 * a * b for a, b in pairwise(sizes)]
        smallest = prod((height // 16, width // 16)) * sizes[-1]
        tokens += smallest
        start = deter * smallest // config.blocks
        convolved = [sum(weights), sum(weight * area for weight, area in zip(weights, areas, strict=True))]
        drawn = [convolved[0], convolved[1] * 9 // 25]  # 3x3 products for 5x5: layers.DoublingConv
        encoder = [a + b for a, b in zip(encoder, convolved, strict=True)]
        decoder = [a + b + start for a, b in zip(decoder, drawn, strict=True)]
        activations += 8 * sum(size * area for size, area in zip(sizes[1:], areas, strict=True))
    contrast = (tokens + 2 * d + 2 * (deter + flat)) * d
    pairs = 2 * config.batch * config.length * (deter + flat)
    told = {"reconstruction": decoder, "infonce": [contrast, contrast + pairs], "none": [0, 0]}[config.objective]
    parameters = core + 2 * prior + encoder[0] + told[0] + 2 * head + policy + 2 * value
    step = core + 2 * prior + encoder[1] + told[1] + 2 * head + value  # per replayed step, with gradients
    imagined = config.imagination * (config.starts or config.length) / config.length  # decisions per replayed step
    dream = imagined * (core + prior + policy + 2 * head + value)  # without gradients
    learnt = imagined * (policy + value)  # and with
    flops = 2 * config.train_ratio * (3 * step + dream + 3 * learnt) + 2 * (core + prior + policy + encoder[1])
    activations += imagined * (2 * (deter + flat) + 16 * d + 4 * config.bins)
    memory = TORCH_PROCESS + 4 * (5 * parameters + int(config.batch * config.length * activations))
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
