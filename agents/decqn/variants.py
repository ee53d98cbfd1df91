"""Named diffs of the configuration, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "single": {"double": False},  # the target network chooses and rates: plain DQN targets
    "onestep": {"n_step": 1},
}

SCALES: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "small": {"hidden": (256, 256), "batch": 128, "learning_rate": 3e-4, "replay": 200_000},
    "tiny": {
        "hidden": (128, 128),
        "channels": (8, 16, 16),
        "batch": 128,
        "learning_rate": 5e-4,
        "replay": 50_000,
        "warmup": 500,
        "epsilon_steps": 4000,
    },
}
