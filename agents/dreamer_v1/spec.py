"""The entry of `dreamer_v1` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import AgentSpec, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.gaussian_dreamer.request import cost, refusal
from bench.agents.common.gaussian_dreamer.scales import IMAGES, SCALES, TOYS
from bench.agents.common.rssm.request import fitted
from bench.agents.common.rssm.scales import changes
from bench.agents.dreamer_v1.config import DreamerV1Config
from bench.agents.dreamer_v1.variants import VARIANTS


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> DreamerV1Config:
    config = merge(DreamerV1Config, *changes(task, scale, SCALES, IMAGES, TOYS))
    return merge(config, fitted(task, config), variant)


def supports(task: Task, config: DreamerV1Config) -> str | None:
    return refusal("dreamer_v1", task, config)


spec = AgentSpec(
    name="dreamer_v1",
    summary="DreamerV1: Gaussian latents, reconstruction, an actor trained by gradients through the learnt dynamics",
    cls="bench.agents.dreamer_v1.agent:DreamerV1",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Hafner et al. 2020, Dream to Control: Learning Behaviors by Latent Imagination, arXiv:1912.01603",
)
