"""What PlaNet and the earlier Dreamers say of a request before any work, and what it will cost. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from gymnasium import spaces

from bench.agents.api import Cost, Task
from bench.agents.common.cost import TORCH_PROCESS, row_bytes

POSITIVE = ("deter", "hidden", "depth", "units", "batch", "length", "imagination", "train_every", "train_steps")


def fitted(task: Task, config: Any) -> dict[str, int]:
    """The diff that makes sequences no longer than the task's episodes."""
    return {} if task.episode_steps is None else {"length": min(config.length, task.episode_steps + 1)}


def unseen(name: str, task: Task) -> str | None:
    """Why the encoder cannot see the task's observations; None where it can."""
    if not task.observation.spaces:
        return f"{name} learns from observations, and {task.id} has no observation key"
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None and image.shape[:2] != (64, 64):
        height, width = image.shape[:2]
        return f"{name} sees 64x64 pixels, and those of {task.id} are {height}x{width}"
    return None


def unmovable(name: str, task: Task, why: str) -> str | None:
    """The refusal of discrete actions, for agents that need continuous ones: `why`."""
    if isinstance(task.action, spaces.Discrete):
        return f"{name} {why}, and those of {task.id} are discrete; of discrete ones: dreamer_v2, dreamer"
    return None


def nonsense(name: str, task: Task, config: Any, others: Iterable[str] = ()) -> str | None:
    """Numbers that make no agent. others: fields of this family that are at least 1."""
    if low := [field for field in (*POSITIVE, *others) if getattr(config, field) < 1]:
        return f"{name} needs {', '.join(low)} to be at least 1"
    if task.episode_steps is not None and config.length > task.episode_steps + 1:
        return (
            f"{name} trains on sequences within episodes: length={config.length} is longer than an episode of "
            f"{task.id} ({task.episode_steps + 1} observations)"
        )
    if config.replay < config.length * config.collection.envs:
        return (
            f"{name}'s replay of {config.replay} rows holds no sequence of length={config.length} in each environment"
        )
    return None


def cost(
    task: Task, config: Any, latent: int, raw: int, update_rate: float, plan: int = 0, objective: int | None = None
) -> Cost:
    """Products of the layers, times what an update does with each. latent, raw: sizes of z and of its parameters;
    update_rate: updates per agent step; plan: model steps per decision; objective: products per state of what takes the
    decoder's place."""
    actions = int(task.action.n) if isinstance(task.action, spaces.Discrete) else spaces.flatdim(task.action)
    feature, units = config.deter + latent, config.units
    vectors = sum(spaces.flatdim(space) for key, space in task.observation.spaces.items() if key != "image")
    see = draw = tokens = 0
    if vectors:
        see, draw, tokens = vectors * units + units * units, feature * units + units * units + units * vectors, units
    image = task.observation.spaces.get("image")
    if image is not None and image.shape is not None:
        depth, channels = config.depth, image.shape[-1]
        widths = (channels, depth, 2 * depth, 4 * depth, 8 * depth)
        see += sum(16 * a * b * n * n for (a, b), n in zip(pairwise(widths), (31, 14, 6, 2), strict=True))
        back = (32 * depth, 4 * depth, 2 * depth, depth, channels)
        kernels = zip(pairwise(back), (5, 5, 6, 6), (1, 5, 13, 30), strict=True)
        draw += feature * 32 * depth + sum(k * k * a * b * n * n for (a, b), k, n in kernels)
        tokens += 32 * depth
    draw = draw if objective is None else objective
    core = (latent + actions) * config.hidden + 3 * config.deter * (config.hidden + config.deter)
    prior = config.hidden * (config.deter + raw)
    infer = see + core + prior + config.hidden * tokens
    head = feature * units + 3 * units * units
    steps = config.batch * config.length
    update = 6 * steps * (infer + prior + draw + head + config.imagination * (core + prior + 3 * head))
    decision = 2 * (infer + head + plan * (core + prior + head))
    numbers = 6 * tokens + 40 * (config.deter + config.hidden) + config.imagination * (8 * config.deter + 24 * units)
    parameters = infer + draw + 3 * head
    memory = TORCH_PROCESS + 4 * (4 * parameters + steps * (numbers + (draw // 500 if image is not None else 0)))
    return Cost(update_rate * update + decision, memory, row_bytes(task), config.replay)
