"""What the smaller scales change of DreamerV1's agent, and what tasks without pictures do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import Task

# States without pictures tell a few nats: with the published 3 to spare nothing would ever train the prior.
VECTORS: Mapping[str, Any] = {"free_nats": 0.0}

SCALES: Mapping[str, Mapping[str, Any]] = {
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
IMAGES: Mapping[str, Mapping[str, Any]] = {"paper": {}, "small": {}, "tiny": {"train_steps": 3}}


# What toys of vectors have instead at `small`: the model of `tiny` on longer sequences, which hold what is
# imagined and half an episode of reach, and a reward that is not next to nothing beside vectors.
TOYS: Mapping[str, Any] = {
    **SCALES["tiny"],
    "batch": 8,
    "length": 20,
    "reward_scale": 100.0,
    "imagination": 10,
    "discount": 0.9,
}


def changes(task: Task, scale: str) -> tuple[Mapping[str, Any], ...]:
    """The diffs for a task at a scale, in the order they apply."""
    if "image" in task.observation.spaces:
        return SCALES[scale], IMAGES[scale]
    toy = task.id.startswith("toy/") and scale == "small"
    return VECTORS, TOYS if toy else SCALES[scale]
