"""Named diffs of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "over_states": {"direction": "over_states"},
    "both": {"direction": "both"},
    "code": {"direction": "over_states", "candidates": "window"},  # as google-research/dreamer has it
    "norepresentation": {"objective": "none"},  # what InfoNCE adds: the same agent without it
}
