"""Named diffs of the configuration, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping

from bench.agents.common.rssm.scales import Diff

VARIANTS: Mapping[str, Diff] = {}

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

# Toys of vectors: more and longer sequences, more updates, and plans that hold two of the rewards, paid every 10
# decisions, and end closer to the best. Beside vectors of deviation 0.03 the KL is next to nothing: at weight 1 the
# model takes thousands of updates more to foretell when rewards are due.
_REACHING: Diff = {
    "batch": 32,
    "length": 20,
    "train_steps": 40,
    "kl_scale": 10.0,
    "reward_scale": 100.0,
    "imagination": 20,
    "candidates": 150,
    "elites": 5,
    "iterations": 7,
}
TOYS: Mapping[str, Diff] = {"small": _REACHING, "tiny": _REACHING}
