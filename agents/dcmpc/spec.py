"""The entry of `dcmpc` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gymnasium.spaces import Box, flatdim

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import TORCH_PROCESS, row_bytes
from bench.agents.dcmpc.config import DCMPCConfig
from bench.agents.dcmpc.tasks import tuned
from bench.agents.dcmpc.variants import SCALES, VARIANTS

CHOICES = {
    "bottleneck": ("fsq", "simnorm", "none"),
    "consistency": ("cross-entropy", "mse"),
    "training": ("sample", "expected", "mode"),
    "planning": ("expected", "sample", "mode"),
}


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> DCMPCConfig:
    return merge(DCMPCConfig, tuned(task), SCALES[scale], variant)


def supports(task: Task, config: DCMPCConfig) -> str | None:
    if not isinstance(task.action, Box):
        return f"dcmpc plans with continuous actions, and those of {task.id} are discrete"
    if "image" in task.observation.spaces:
        return f"dcmpc sees vectors, and {task.id} shows images; of images: tdmpc2"
    return _latents(config) or _targets(task, config) or _plans(task, config)


def _latents(config: DCMPCConfig) -> str | None:
    for name, known in CHOICES.items():
        if (value := getattr(config, name)) not in known:
            return f"{name}={value!r} is none of {', '.join(map(repr, known))}"
    if not config.levels or min(config.levels) < 2:
        return f"levels={list(config.levels)}: every channel of a code needs 2 levels or more, as in [5, 3]"
    if config.slots < 1:
        return f"slots={config.slots}: a latent state needs a code"
    if config.consistency == "cross-entropy" and config.bottleneck != "fsq":
        return f"bottleneck={config.bottleneck!r} has no codes for a cross-entropy; take consistency='mse'"
    size = len(config.levels) * config.slots
    if config.bottleneck == "simnorm" and size % config.group:
        return f"SimNorm needs groups of equal size: a latent of {size} numbers is no multiple of group={config.group}"
    return None


def _targets(task: Task, config: DCMPCConfig) -> str | None:
    if config.n_step < 1:
        return f"n_step={config.n_step}: a target counts the reward of one decision or more"
    if task.terminates and config.n_step == 1 and not config.one_step_discounted:
        return (
            f"n_step=1 with one_step_discounted=false is the released code's target, made for tasks that only a time "
            f"limit ends, and {task.id} ends episodes by itself; leave it true"
        )
    return None


def _plans(task: Task, config: DCMPCConfig) -> str | None:
    longest = max(config.horizon, config.plan_horizon)
    if task.episode_steps is not None and longest > task.episode_steps:
        return f"a horizon of {longest} is longer than an episode of {task.id} ({task.episode_steps} decisions)"
    if not config.proposals <= config.samples >= config.elites:
        return f"samples={config.samples} is fewer than elites={config.elites} or proposals={config.proposals}"
    if config.members < 2:
        return f"members={config.members}: targets take the lesser of two critics"
    return None


def cost(task: Task, config: DCMPCConfig) -> Cost:
    """Products of the networks' matrices, two FLOPs each; a backward pass counts as two forward ones."""
    size, actions, width = len(config.levels) * config.slots, flatdim(task.action), config.width
    outputs = math.prod(config.levels) * config.slots if config.consistency == "cross-entropy" else size
    encoder = config.encoder_width * (sum(flatdim(space) for space in task.observation.spaces.values()) + size)
    body = (size + actions) * width + width * width
    step, head = 2 * body + width * (outputs + 1), body + width
    actor = size * width + width * width + width * actions
    model = 3 * (encoder + config.horizon * step) + config.horizon * encoder
    value = 2 * encoder + actor + 2 * head + 3 * config.members * head + 3 * (actor + 2 * head) / config.actor_every
    update = 2 * config.batch * (model + value)
    candidates = config.iterations * config.samples
    plan = 2 * (encoder + candidates * (config.plan_horizon * step + actor + 2 * head))
    return Cost(plan + update / config.steps_per_update, TORCH_PROCESS, row_bytes(task), config.replay)


spec = AgentSpec(
    name="dcmpc",
    summary="a latent world model of discrete codes (FSQ), predicted by classification; actions are planned by MPPI",
    cls="bench.agents.dcmpc.agent:DCMPC",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Scannell et al. 2025, DC-MPC, arXiv:2503.00653",
)
