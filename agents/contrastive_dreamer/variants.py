"""Named diffs of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.common.gaussian_dreamer.scales import TOYS as V1_TOYS
from bench.agents.common.rssm.scales import Diff

VARIANTS: Mapping[str, Mapping[str, Any] | str] = {
    "over_states": {"direction": "over_states"},
    "both": {"direction": "both"},
    "code": {"direction": "over_states", "candidates": "window"},  # as google-research/dreamer has it
    "v3": "dreamer:infonce",  # the same objective on DreamerV3, whose agent that is
    "norepresentation": {"objective": "none"},  # what InfoNCE adds: the same agent without it
}

# Toys of vectors. InfoNCE pays for what tells an observation from the other candidates and for no more; with the KL
# at its full weight, states left out a coordinate of the goal or the point. It weighs a tenth, and `small` has the
# paper's batch, 2,500 candidates, and fewer updates in return.
TOYS: Mapping[str, Diff] = {
    "small": {**V1_TOYS["small"], "batch": 50, "length": 50, "prefill": 2500, "train_every": 50, "kl_scale": 0.1},
    "tiny": {"kl_scale": 0.1},
}
