"""Model sizes and other named diffs, the settings of each protocol generation, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Diff = Mapping[str, Any]


def size(units: int) -> Diff:
    """All sizes follow from one width."""
    return {"units": units, "deter": 8 * units, "classes": units // 16, "depth": units // 16}


SIZES: Mapping[str, Diff] = {
    "1M": size(64),
    "12M": size(256),
    "25M": size(384),
    "50M": size(512),
    "100M": size(768),
    "200M": size(1024),
    "400M": size(1536),
}

VARIANTS: Mapping[str, Diff] = {
    **SIZES,
    "v2": {"generation": "v2"},
    "nature": {"generation": "nature"},
    "infonce": {"objective": "infonce"},  # contrastive, instead of reconstruction
    "norepresentation": {"objective": "none"},  # what either adds: the same agent without it
    "unimix": {"actor_unimix": 0.01},  # as both papers have it
}

_ATARI = {**SIZES["200M"], "train_ratio": 128.0, "collection.envs": 1}  # HEAD has ratio 256, both papers 128

# generation -> protocol of the task -> settings. Tasks that none of them names keep the 12M model at ratio 512.
GENERATIONS: Mapping[str, Mapping[str, Diff]] = {
    "v2": {
        "atari": _ATARI,
        "dmc-state": {**SIZES["12M"], "train_ratio": 512.0, "collection.envs": 16},
        "dmc-vision": {**SIZES["12M"], "train_ratio": 512.0, "collection.envs": 16},
    },
    "nature": {
        "atari": _ATARI,
        "dmc-state": {**SIZES["1M"], "train_ratio": 1024.0, "collection.envs": 16},
        "dmc-vision": {**SIZES["200M"], "train_ratio": 256.0, "collection.envs": 16},
    },
}

SCALES: Mapping[str, Diff] = {
    "paper": {},
    "small": {
        **SIZES["1M"],
        "batch": 16,
        "length": 16,
        "train_ratio": 64.0,
        "learning_rate": 3e-4,
        "warmup": 200,
        "collection.envs": 1,
    },
    "tiny": {
        "units": 64,
        "deter": 256,
        "latents": 16,
        "classes": 4,
        "depth": 2,
        "bins": 63,
        "batch": 32,
        "length": 8,
        "train_ratio": 128.0,
        "imagination": 10,
        "starts": 2,
        "horizon": 30.0,
        "rec_scale": 30.0,  # of numbers in [-1, 1] the squared errors alone are worth no nat
        "learning_rate": 4e-4,
        "warmup": 100,
        "collection.envs": 1,
    },
}

# And what they change besides where there are images: windows that hold an episode's memory, and fewer updates.
IMAGES: Mapping[str, Diff] = {
    "paper": {},
    "small": {},
    "tiny": {"batch": 4, "length": 40, "starts": 10, "train_ratio": 8.0, "rec_scale": 1.0, "learning_rate": 1e-3},
}

# What the toys have instead at `small`: the model of `tiny`, and half the updates for each of four times the decisions.
TOYS: Diff = {**SCALES["tiny"], "train_ratio": 64.0}

# And beside that and `IMAGES`: all states start dreams. toy/pixel-reach needs no memory, so its windows are short.
# toy/pixel-catch pays for a cue 40 steps ago: most first pictures see their landing in the window, by recent policies
# alone, and pictures weigh little, meant so that the replayed value is heard beside them.
TASKS: Mapping[str, Diff] = {
    "toy/maze": {"starts": 0},
    "toy/pixel-catch": {
        "batch": 1,
        "length": 256,
        "starts": 0,
        "train_ratio": 32.0,
        "replay": 6000,
        "imagination": 5,
        "horizon": 333.0,
        "lambda_": 1.0,
        "replay_value_scale": 3.0,
        "rec_scale": 0.01,
    },
    "toy/pixel-reach": {"batch": 16, "length": 8, "starts": 0, "train_ratio": 25.6},
}
