"""What the smaller scales change of DreamerV1's agent."""

from __future__ import annotations

from collections.abc import Mapping

from bench.agents.common.rssm.scales import Diff

SCALES: Mapping[str, Diff] = {
    "paper": {},
    "small": {
        "hidden": 128,
        "depth": 16,
        "units": 128,
        "batch": 16,
        "length": 20,
        "replay": 500_000,
        "train_steps": 50,
        "model_rate": 1e-3,
        "actor_rate": 3e-4,
        "value_rate": 3e-4,
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
        "prefill": 1000,
        "train_every": 40,
        "train_steps": 10,
        "model_rate": 2e-3,
        "actor_rate": 3e-4,
        "value_rate": 5e-4,
    },
}

# And what they change besides where there are pictures, whose updates take longer.
IMAGES: Mapping[str, Diff] = {"paper": {}, "small": {}, "tiny": {"train_steps": 3}}

# Toys of vectors: longer sequences, which hold what is imagined and half an episode of reach, and a reward that is not
# next to nothing beside vectors.
TOYS: Mapping[str, Diff] = {
    "small": {"batch": 8, "length": 20, "reward_scale": 100.0, "imagination": 10, "discount": 0.9}
}
