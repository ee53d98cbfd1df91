"""Named diffs of the configuration, the settings per protocol, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping

from bench.agents.common.rssm.scales import Diff

VARIANTS: Mapping[str, Diff] = {
    "code": {"settings": "code"},
    "unbalanced": {"kl_balance": 0.5},  # DreamerV1's KL: both sides alike
}

# For tasks with discrete actions, whatever their protocol: nothing differentiable lies between action and return.
DISCRETE: Diff = {"reinforce": 1.0, "entropy_scale": 1e-3}

_ATARI = {
    "deter": 600,
    "hidden": 600,
    "prefill": 50_000,
    "pretrain": 1,
    "kl_scale": 0.1,
    "free_nats": 0.0,
    "squash": True,
    "model_rate": 2e-4,
    "actor_rate": 4e-5,
    "value_rate": 1e-4,
}

# settings -> protocol of the task -> diff. Tasks that none of them names keep dm_control's.
SETTINGS: Mapping[str, Mapping[str, Diff]] = {
    "paper": {"atari": {**_ATARI, "batch": 50, "train_every": 4, "discount": 0.995}},
    "code": {"atari": {**_ATARI, "train_every": 16, "discount": 0.999}},
}

SCALES: Mapping[str, Diff] = {
    "paper": {},
    "small": {
        "latents": 16,
        "classes": 16,
        "deter": 200,
        "hidden": 128,
        "depth": 16,
        "units": 128,
        "batch": 16,
        "length": 20,
        "replay": 500_000,
        "prefill": 1000,
        "train_every": 5,
        "model_rate": 1e-3,
        "actor_rate": 3e-4,
        "value_rate": 3e-4,
    },
    "tiny": {
        "latents": 8,
        "classes": 8,
        "deter": 64,
        "hidden": 64,
        "depth": 4,
        "units": 64,
        "batch": 16,
        "length": 8,
        "replay": 100_000,
        "prefill": 500,
        "pretrain": 50,
        "train_every": 4,
        "model_rate": 2e-3,
        "actor_rate": 3e-4,
        "value_rate": 5e-4,
    },
}

# And what they change besides where there are pictures: sequences that hold an episode's memory, and fewer updates.
IMAGES: Mapping[str, Diff] = {"paper": {}, "small": {}, "tiny": {"batch": 4, "length": 40, "train_every": 20}}

# Of toys of vectors: the reward weighed as `dreamer_v1` has it there.
TOYS: Mapping[str, Diff] = {"small": {"reward_scale": 100.0}}
