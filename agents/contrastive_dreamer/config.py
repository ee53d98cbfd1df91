"""Configuration of the contrastive Dreamer: DreamerV1's, and how states and observations are compared."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.common.gaussian_dreamer.config import GaussianDreamerConfig


@dataclass(frozen=True)
class ContrastiveDreamerConfig(GaussianDreamerConfig):
    objective: str = "infonce"  # what states learn from beside reward and KL; "none": from nothing
    direction: str = "over_obs"  # candidates are observations (paper's Appendix B); "over_states" (code), "both"
    candidates: str = "all"  # of the batch (paper); "window": 10 x 30 around the right one (google-research/dreamer)
