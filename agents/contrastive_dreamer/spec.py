"""The entry of `contrastive_dreamer` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.gaussian_dreamer.request import cost as shared_cost
from bench.agents.common.gaussian_dreamer.request import refusal
from bench.agents.common.gaussian_dreamer.scales import IMAGES, SCALES
from bench.agents.common.names import unknown
from bench.agents.common.rssm.request import fitted
from bench.agents.common.rssm.scales import changes
from bench.agents.contrastive_dreamer.config import ContrastiveDreamerConfig
from bench.agents.contrastive_dreamer.variants import TOYS, VARIANTS

CHOICES = {
    "objective": ("infonce", "none"),
    "direction": ("over_obs", "over_states", "both"),
    "candidates": ("all", "window"),
}


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> ContrastiveDreamerConfig:
    config = merge(ContrastiveDreamerConfig, *changes(task, scale, SCALES, IMAGES, TOYS))
    return merge(config, fitted(task, config), variant)


def supports(task: Task, config: ContrastiveDreamerConfig) -> str | None:
    for field, known in CHOICES.items():
        if getattr(config, field) not in known:
            return unknown(f"{field} of contrastive_dreamer", getattr(config, field), known)
    if config.objective == "infonce" and config.batch * config.length < 2:
        return (
            f"contrastive_dreamer tells the right one from other candidates: batch={config.batch} and "
            f"length={config.length} leave fewer than two"
        )
    return refusal("contrastive_dreamer", task, config)


def cost(task: Task, config: ContrastiveDreamerConfig) -> Cost:
    """With the head and its scores against all candidates in the decoder's place."""
    feature, units = config.deter + config.stoch, config.units
    head = (32 * config.depth + 2 * units + 2 * feature) * units
    pairs = 2 * config.batch * config.length * feature
    return shared_cost(task, config, head + pairs if config.objective == "infonce" else 0)


spec = AgentSpec(
    name="contrastive_dreamer",
    summary="DreamerV1's agent with InfoNCE, a contrastive objective, in the place of reconstruction",
    cls="bench.agents.contrastive_dreamer.agent:ContrastiveDreamer",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Hafner et al. 2020, Dream to Control: Learning Behaviors by Latent Imagination, arXiv:1912.01603, App. B",
)
