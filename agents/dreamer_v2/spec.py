"""The entry of `dreamer_v2` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gymnasium import spaces

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.names import unknown
from bench.agents.common.rssm import request
from bench.agents.common.rssm.scales import changes
from bench.agents.dreamer_v2.config import DreamerV2Config
from bench.agents.dreamer_v2.variants import DISCRETE, IMAGES, SCALES, SETTINGS, TOYS, VARIANTS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> DreamerV2Config:
    settings = merge(DreamerV2Config, variant).settings
    protocol = SETTINGS.get(settings, {}).get(task.id.partition("/")[0], {})
    actions = DISCRETE if isinstance(task.action, spaces.Discrete) else {}
    config = merge(DreamerV2Config, actions, protocol, *changes(task, scale, SCALES, IMAGES, TOYS))
    return merge(config, request.fitted(task, config), variant)


def supports(task: Task, config: DreamerV2Config) -> str | None:
    if config.settings not in SETTINGS:
        return unknown("settings of dreamer_v2", config.settings, SETTINGS)
    if config.imagination < 2:
        return f"dreamer_v2 drops the last two of imagination={config.imagination} + 1 states: it needs 2 or more"
    if not 0 <= config.reinforce <= 1 or not 0 <= config.kl_balance <= 1:
        return f"dreamer_v2 needs shares from 0 to 1: reinforce={config.reinforce}, kl_balance={config.kl_balance}"
    return request.unseen("dreamer_v2", task) or request.nonsense(
        "dreamer_v2", task, config, ("latents", "classes", "target_every")
    )


def cost(task: Task, config: DreamerV2Config) -> Cost:
    latent = config.latents * config.classes
    return request.cost(task, config, latent, latent, config.train_steps / config.train_every)


spec = AgentSpec(
    name="dreamer_v2",
    summary="DreamerV2: categorical latents, a balanced KL, an actor trained by REINFORCE or through the dynamics",
    cls="bench.agents.dreamer_v2.agent:DreamerV2",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Hafner et al. 2021, Mastering Atari with Discrete World Models, arXiv:2010.02193",
)
