"""Named diffs of the configuration, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Diff = Mapping[str, Any]

VARIANTS: Mapping[str, Diff] = {
    # the released code's behaviour where ours departs from it
    "parity": {"one_step_discounted": False, "plan_discount": 0.9, "shared_noise": True},
    # the paper's ablations
    "simnorm": {"bottleneck": "simnorm", "consistency": "mse"},
    "plain": {"bottleneck": "none", "consistency": "mse"},
    "mse": {"consistency": "mse"},
    "sampled": {"planning": "sample"},
    "expected": {"training": "expected"},
    "mode": {"training": "mode", "planning": "mode"},
}

SCALES: Mapping[str, Diff] = {
    "paper": {},
    "small": {
        "slots": 64,
        "encoder_width": 128,
        "width": 128,
        "members": 2,
        "batch": 64,
        "replay": 200_000,
        "samples": 128,
        "elites": 24,
        "proposals": 12,
        "iterations": 3,
    },
    "tiny": {
        "slots": 32,
        "encoder_width": 64,
        "width": 64,
        "members": 2,
        "batch": 64,
        "horizon": 3,
        "model_rate": 1e-3,
        "learning_rate": 2e-3,
        "target_rate": 0.02,
        "noise_episodes": 50,
        "replay": 50_000,
        "random_episodes": 2,
        "steps_per_update": 2,
        "samples": 32,
        "elites": 8,
        "proposals": 8,
        "iterations": 2,
    },
}
