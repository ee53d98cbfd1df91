"""Named diffs of the configuration, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Diff = Mapping[str, Any]

# The authors' model sizes, in million parameters with their 96 numbers of task embedding, which one task does not need.
SIZES: Mapping[str, Diff] = {
    "1M": {"encoder_width": 256, "width": 384, "latent": 128, "encoder_layers": 2, "members": 2},
    "5M": {"encoder_width": 256, "width": 512, "latent": 512, "encoder_layers": 2, "members": 5},
    "19M": {"encoder_width": 1024, "width": 1024, "latent": 768, "encoder_layers": 3, "members": 5},
    "48M": {"encoder_width": 1792, "width": 1792, "latent": 768, "encoder_layers": 4, "members": 5},
    "317M": {"encoder_width": 4096, "width": 4096, "latent": 1376, "encoder_layers": 5, "members": 8},
}

VARIANTS: Mapping[str, Diff] = {
    **SIZES,
    "v1-entropy": {"entropy": "v1"},
}

TERMINATING: Diff = {"episodic": True, "rho": 0.7, "discount_max": 0.99}  # where the environment ends episodes

SCALES: Mapping[str, Diff] = {
    "paper": {},
    "small": {
        "encoder_width": 128,
        "width": 128,
        "latent": 128,
        "members": 2,
        "batch": 64,
        "replay": 200_000,
        "samples": 128,
        "elites": 24,
        "proposals": 12,
        "iterations": 3,
    },
    "tiny": {
        "encoder_width": 64,
        "width": 64,
        "latent": 64,
        "members": 2,
        "batch": 64,
        "learning_rate": 3e-3,
        "replay": 50_000,
        "seed_steps": 250,
        "seed_episodes": 1,
        "steps_per_update": 4,
        "samples": 32,
        "elites": 8,
        "proposals": 8,
        "iterations": 2,
    },
}

# What the toys of pictures have at `small` and `tiny`, beside the rest of `tiny`: one picture tells all, and where its
# squares are is not shifted away.
PICTURES: Diff = {
    **SCALES["tiny"],
    "images": 1,
    "shift": 0,
    "latent": 512,
    "group": 16,  # a channel's whole 4x4 map: where it saw something
    "image_gain": 3.2,  # first latents tell two pictures apart
    "batch": 32,
    "steps_per_update": 2,
    "learning_rate": 2e-3,
    "encoder_rate": 0.05,  # the paper's rate, but for heads that learn faster
    "reward_scale": 1.0,
    "value_scale": 1.0,
    "seed_steps": 5000,
}
