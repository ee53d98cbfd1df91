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

# Toys of vectors. InfoNCE pays a nat for every nat the KL takes: at its full weight states tell little as long as there
# are few candidates and few updates. At `small`, what DreamerV1 has there, with four times the sequences, which are
# candidates, and ten times the weight of the reward.
TOYS: Mapping[str, Diff] = {
    "small": {**V1_TOYS["small"], "batch": 32, "reward_scale": 1000.0},
    "tiny": {"kl_scale": 0.1},
}
