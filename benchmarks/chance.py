"""Where chance comes from: seeds by key, and torch's default generators, which belong to training alone."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

APART = 2**31  # above every run's seed


def seeds(*key: int, count: int = 1) -> list[int]:
    """`count` seeds below 2**31 that `key` names. Keys of a run begin with APART: its training episodes' begin with
    the run's seed, and numpy takes (seed, 5) and (seed, 5, 0) for one."""
    return [int(word >> 1) for word in np.random.SeedSequence(key).generate_state(count)]


def seed_torch(seed: int) -> None:
    """Seed torch's default generators, where torch is at work."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def torch_generators() -> dict[str, Any]:
    """The states of torch's default generators; empty where torch is not at work."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "cpu": torch.get_rng_state(),
        "cuda": list(torch.cuda.get_rng_state_all()) if torch.cuda.is_initialized() else [],
    }


def set_torch_generators(states: dict[str, Any]) -> None:
    """Take up what `torch_generators` gave."""
    if states:
        import torch

        torch.set_rng_state(states["cpu"])
        if states["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(states["cuda"])
