"""The entry of `tdmpc2` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gymnasium.spaces import Box, flatdim

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import TORCH_PROCESS, row_bytes
from bench.agents.tdmpc2.config import TDMPC2Config
from bench.agents.tdmpc2.variants import PICTURES, SCALES, TERMINATING, VARIANTS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> TDMPC2Config:
    pictures = scale != "paper" and task.id.startswith("toy/") and "image" in task.observation.spaces
    shrunk = PICTURES if pictures else SCALES[scale]
    return merge(TDMPC2Config, shrunk, TERMINATING if task.terminates else {}, variant)


def supports(task: Task, config: TDMPC2Config) -> str | None:
    spaces = task.observation.spaces
    image = spaces.get("image")
    if not isinstance(task.action, Box):
        return f"tdmpc2 plans with continuous actions, and those of {task.id} are discrete"
    if image is not None and len(spaces) > 1:
        return f"tdmpc2 sees an image or vectors, and {task.id} shows both: {', '.join(sorted(spaces))}"
    if image is not None and image.shape is not None and image.shape[:2] != (64, 64):
        return f"tdmpc2 sees images of 64x64 pixels, and those of {task.id} are {image.shape[0]}x{image.shape[1]}"
    if image is not None and config.latent % 16:
        return f"of images tdmpc2's latent has 16 numbers per channel: {config.latent} is no multiple of 16"
    if config.latent % config.group:
        return f"SimNorm needs groups of equal size: latent={config.latent} is no multiple of group={config.group}"
    if task.episode_steps is not None and config.horizon > task.episode_steps:
        return f"horizon={config.horizon} is longer than an episode of {task.id} ({task.episode_steps} decisions)"
    if task.terminates and not config.episodic:
        return f"{task.id} ends episodes by itself, which episodic=false would learn as going on; leave it true"
    if config.entropy not in ("gaussian", "v1"):
        return f"entropy={config.entropy!r} is neither 'gaussian' nor 'v1'"
    if not config.proposals <= config.samples >= config.elites:
        return f"samples={config.samples} is fewer than elites={config.elites} or proposals={config.proposals}"
    return None


def cost(task: Task, config: TDMPC2Config) -> Cost:
    """Products of the networks' matrices, two FLOPs each; a backward pass counts as two forward ones."""
    width, latent, both = config.width, config.latent, config.latent + flatdim(task.action)
    body = both * width + width * width
    dynamics, head = body + width * latent, body + width * config.bins
    policy = latent * width + width * width + 2 * width * flatdim(task.action)
    encoder = _encoder(task, config)
    horizon, batch = config.horizon, config.batch
    step = dynamics + head
    model = 3 * (encoder + horizon * (step + config.members * head))
    target = horizon * (encoder + policy + 2 * head)
    prior = 3 * (horizon + 1) * (policy + 2 * head)
    update = 2 * batch * (model + target + prior)
    more = config.iterations_more if flatdim(task.action) >= 20 else 0
    candidates = (config.iterations + more) * config.samples
    plan = 2 * (encoder + candidates * (horizon * step + policy + 2 * head))
    return Cost(plan + update / config.steps_per_update, TORCH_PROCESS, row_bytes(task), config.replay)


def _encoder(task: Task, config: TDMPC2Config) -> int:
    spaces = task.observation.spaces
    if "image" in spaces:  # 29x29, 13x13, 6x6 and 4x4 places of the four convolutions
        channels = config.latent // 16
        seen = config.images * (spaces["image"].shape or (0, 0, 0))[2]
        return channels * (841 * 49 * seen + 169 * 25 * channels + 36 * 9 * channels + 16 * 9 * channels)
    size = sum(flatdim(space) for space in spaces.values())
    inner = (config.encoder_layers - 2) * config.encoder_width**2
    return config.encoder_width * (size + config.latent) + inner


spec = AgentSpec(
    name="tdmpc2",
    summary="a decoder-free latent world model with SimNorm; every action is planned by MPPI",
    cls="bench.agents.tdmpc2.agent:TDMPC2",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Hansen et al. 2024, TD-MPC2, arXiv:2310.16828",
)
