"""The entry of `planet` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.rssm import request
from bench.agents.common.rssm.scales import changes
from bench.agents.planet.config import PlaNetConfig
from bench.agents.planet.variants import IMAGES, SCALES, TOYS, VARIANTS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> PlaNetConfig:
    config = merge(PlaNetConfig, *changes(task, scale, SCALES, IMAGES, TOYS))
    return merge(config, request.fitted(task, config), variant)


def supports(task: Task, config: PlaNetConfig) -> str | None:
    if config.elites > config.candidates:
        return f"planet refits to elites={config.elites} of candidates={config.candidates}: there are not as many"
    return (
        request.unmovable("planet", task, "plans with continuous actions")
        or request.unseen("planet", task)
        or request.nonsense("planet", task, config, ("stoch", "random_episodes", "elites", "iterations"))
    )


def cost(task: Task, config: PlaNetConfig) -> Cost:
    rate = config.train_steps / config.train_every / (task.episode_steps or 1000)
    plan = config.iterations * config.candidates * config.imagination
    return request.cost(task, config, config.stoch, 2 * config.stoch, rate, plan)


spec = AgentSpec(
    name="planet",
    summary="PlaNet: a recurrent state-space model with Gaussian latents; actions are planned by CEM",
    cls="bench.agents.planet.agent:PlaNet",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Hafner et al. 2019, Learning Latent Dynamics for Planning from Pixels, arXiv:1811.04551",
)
