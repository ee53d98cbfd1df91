"""Named diffs of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIANTS: Mapping[str, Mapping[str, Any] | str] = {
    "over_states": {"direction": "over_states"},
    "both": {"direction": "both"},
    "code": {"direction": "over_states", "candidates": "window"},  # as google-research/dreamer has it
    "v3": "dreamer:infonce",  # the same objective on DreamerV3, whose agent that is
    "norepresentation": {"objective": "none"},  # what InfoNCE adds: the same agent without it
}

# scale -> what vectors change besides. Of a few numbers InfoNCE pays a nat for every nat the KL takes: at its full
# weight states would tell next to nothing. More sequences are more candidates.
VECTORS: Mapping[str, Mapping[str, Any]] = {
    "paper": {"kl_scale": 0.1},
    "small": {"kl_scale": 0.1, "batch": 32},
    "tiny": {"kl_scale": 0.1},
}
