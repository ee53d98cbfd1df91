"""Configuration of DreamerV1: all of it is what the contrastive Dreamer shares."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.common.gaussian_dreamer.config import GaussianDreamerConfig


@dataclass(frozen=True)
class DreamerV1Config(GaussianDreamerConfig):
    """Its own type, so that a configuration says whose it is."""
