"""Named diffs of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "runs": {"eps": 1e-4},  # Adam's as in the code of the paper's runs (google-research/dreamer)
}
