"""Named diffs of the configuration, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Diff = Mapping[str, Any]

VARIANTS: Mapping[str, Diff] = {}

# States without pictures tell a few nats: with the published 3 to spare little would train the prior.
VECTORS: Diff = {"free_nats": 0.0}

SCALES: Mapping[str, Diff] = {
    "paper": {},
    "small": {
        "hidden": 128,
        "depth": 16,
        "units": 128,
        "batch": 16,
        "length": 20,
        "replay": 500_000,
        "candidates": 200,
        "elites": 20,
        "iterations": 5,
    },
    "tiny": {
        "stoch": 10,
        "deter": 64,
        "hidden": 64,
        "depth": 4,
        "units": 64,
        "batch": 16,
        "length": 8,
        "replay": 100_000,
        "train_steps": 20,
        "model_rate": 2e-3,
        "candidates": 100,
        "elites": 10,
        "iterations": 4,
    },
}

# And what they change besides where there are pictures, whose updates take longer.
IMAGES: Mapping[str, Diff] = {"paper": {}, "small": {}, "tiny": {"train_steps": 5}}
