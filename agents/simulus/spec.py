"""The entry of `simulus` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.agents.api import AgentSpec, Scale, Task
from bench.agents.common.config import merge
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.cost import PIXELS_PER_TOKEN, cost
from bench.agents.simulus.variants import IMAGES, PROTOCOLS, SCALES, STATES, TASKS, VARIANTS, VECTORS

GROUPS = 8  # of the tokenizer's norms
AT_LEAST_ONE = dict.fromkeys(
    (
        "layers", "heads", "width", "context", "model_batch", "lstm", "controller_batch", "epoch_steps", "replay",
    ),
    (1, inf),
)  # fmt: skip
IMAGES_AT_LEAST_ONE = dict.fromkeys(("tokenizer_width", "tokenizer_batch", "codes"), (1, inf))
RANGES = {
    "members": (2, inf),  # fewer cannot disagree
    "prioritised": (0, 1),
    "embedding_scale": (0, inf),
    "dropout": (0, 0.99),
    "burn_in": (0, inf),
    "discount": (0, 1),
    "lambda_": (0, 1),
    "epsilon": (0, 1),
    "temperature": (0.01, inf),
    "entropy_scale": (0, inf),
    "final_epochs": (0, inf),
    "tokenizer_after": (0, inf),
    "model_after": (0, inf),
    "controller_after": (0, inf),
    "critic_epochs": (0, inf),
    "tokenizer_updates": (0, inf),
    "model_updates": (0, inf),
    "controller_updates": (0, inf),
}
LPIPS_FILES = ("vgg16-397923af.pth", "vgg.pth")


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> SimulusConfig:
    kind = ({}, IMAGES) if "image" in task.observation.spaces else (VECTORS, STATES)
    protocol = PROTOCOLS.get(task.id.partition("/")[0], {})
    own = TASKS.get(task.id, {}) if scale == "small" else {}
    return merge(SimulusConfig, kind[0], protocol, SCALES[scale], kind[1][scale], own, variant)


def supports(task: Task, config: SimulusConfig) -> str | None:
    return (
        _nonsense(task, config)
        or _unseen(task)
        or _sizes(task, config)
        or _counts(task, config)
        or _files(task, config)
    )


def _nonsense(task: Task, config: SimulusConfig) -> str | None:
    """Whether every number is in its range."""
    ranges = {**AT_LEAST_ONE, **RANGES, **(IMAGES_AT_LEAST_ONE if "image" in task.observation.spaces else {})}
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        if not least <= value <= most:
            wanted = f"at least {least:g}" if most == inf else f"from {least:g} to {most:g}"
            return f"simulus needs {name} {wanted}, not {value}"
    if config.memory_min <= 0 or config.memory_max < config.memory_min:
        return (
            f"memory_min={config.memory_min} and memory_max={config.memory_max} are the quickest and the slowest "
            f"head's spans, in decisions: the first is more than 0 and the second no less"
        )
    if min(config.fuser, default=1) < 1 or min(config.channels, default=1) < 1:
        return f"widths are at least 1: fuser={config.fuser}, channels={config.channels}"
    if "image" in task.observation.spaces and not config.channels:
        return "channels=() leaves the controller no convolution: name at least one width"
    return None


def _unseen(task: Task) -> str | None:
    """Whether every modality has a tokenizer."""
    if not task.observation.spaces:
        return f"simulus learns from observations, and {task.id} has no observation key"
    for key, space in task.observation.spaces.items():
        if key == "image":
            height, width, *_ = space.shape or (0, 0)
            if height % PIXELS_PER_TOKEN or width % PIXELS_PER_TOKEN:
                return (
                    f"simulus makes a token of {PIXELS_PER_TOKEN}x{PIXELS_PER_TOKEN} pixels, and the images of "
                    f"{task.id} ({height}x{width}) are no whole number of them"
                )
        elif not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
            return (
                f"simulus has tokenizers for images and vectors of real numbers, and none for {key!r} of {task.id}, "
                f"which is {space}"
            )
    return None


def _sizes(task: Task, config: SimulusConfig) -> str | None:
    if config.width % config.heads or config.width // config.heads % 2:
        return f"simulus needs heads of an even size: width={config.width} and heads={config.heads} give none"
    if "image" in task.observation.spaces and (config.tokenizer_width % GROUPS or config.width % GROUPS):
        return (
            f"simulus normalises channels in {GROUPS} groups: tokenizer_width={config.tokenizer_width} or "
            f"width={config.width} is no multiple"
        )
    if config.model_batch % config.members:
        return (
            f"every member of the ensemble learns from its share of a batch: model_batch={config.model_batch} is no "
            f"multiple of members={config.members}"
        )
    return None


def _counts(task: Task, config: SimulusConfig) -> str | None:
    if config.context < 1 or config.length < config.context + 2:
        numbers = f"length={config.length}, context={config.context}"
        return f"simulus imagines length - context decisions and needs two: {numbers}"
    if task.episode_steps is not None and config.length > task.episode_steps + 1:
        return (
            f"length={config.length} (context {config.context} and horizon {config.length - config.context}) is longer "
            f"than an episode of {task.id} ({task.episode_steps + 1} observations)"
        )
    if config.collection.envs != 1:
        return f"simulus collects in one environment, not in collection.envs={config.collection.envs}"
    if config.controller_after < config.model_after:
        return (
            f"the controller learns in the world model's dreams: controller_after={config.controller_after} comes "
            f"before model_after={config.model_after}"
        )
    return None


def _files(task: Task, config: SimulusConfig) -> str | None:
    if not config.lpips or "image" not in task.observation.spaces:
        return None
    if lacking := [name for name in LPIPS_FILES if not (Path(config.lpips) / name).is_file()]:
        return f"lpips={config.lpips!r} is a folder with {' and '.join(LPIPS_FILES)}, and lacks {' and '.join(lacking)}"
    if (task.observation.spaces["image"].shape or ())[-1] != 3:
        return f"LPIPS compares pictures of three colours, and those of {task.id} have another number"
    return None


spec = AgentSpec(
    name="simulus",
    summary="a token world model: retention with parallel observation prediction, a controller trained in its dreams",
    cls="bench.agents.simulus.agent:Simulus",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Cohen et al. 2025, Uncovering Untapped Potential in Sample-Efficient World Model Agents, arXiv:2502.11537",
)
