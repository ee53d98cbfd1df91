"""Small agents and networks for the tests of this family."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Task
from bench.agents.counter import Subject
from bench.agents.simulus.agent import Simulus
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.trunk import Trunk


def atari(actions: int = 18) -> Task:
    image = spaces.Dict({"image": spaces.Box(0, 255, (64, 64, 3), np.uint8)})
    return Task("atari/any", image, spaces.Discrete(actions), 4, 27_000, True)


def walker() -> Task:
    state = spaces.Dict({"state": spaces.Box(-np.inf, np.inf, (24,), np.float32)})
    return Task("dmc-state/any", state, spaces.Box(-1, 1, (6,), np.float32), 2, 500, False)


def config(task: Task, scale: str = "tiny", **diff: Any) -> SimulusConfig:
    resolved = registry.resolve(registry.get("simulus"), task, scale, diff, {})  # type: ignore[arg-type]
    assert isinstance(resolved, SimulusConfig)
    return resolved


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trunk(observed: int = 5, acted: int = 2, layers: int = 2, heads: int = 2, width: int = 16) -> Trunk:
    torch.manual_seed(0)
    return Trunk(layers, heads, width, observed, acted, (2.0, 8.0), dropout=0.1)


SMALLEST: dict[str, Any] = {
    "width": 16, "heads": 2, "layers": 2, "lstm": 16, "fuser": (16,), "channels": (8, 8), "codes": 64,
    "tokenizer_width": 8, "tokenizer_batch": 2, "model_batch": 4, "controller_batch": 4, "length": 5, "context": 1,
    "burn_in": 3, "tokenizer_after": 0, "model_after": 0, "controller_after": 1, "critic_epochs": 1, "epoch_steps": 20,
    "tokenizer_updates": 2, "model_updates": 3, "controller_updates": 2,
}  # fmt: skip


def built(task: Task, **diff: Any) -> Simulus:
    """An untrained agent of the smallest sizes."""
    return Simulus(config(task, **{**SMALLEST, **diff}), task, 3, "cpu")


def played(task: Task, steps: int, **diff: Any) -> Subject:
    """An agent after some decisions in the task that counts, and what they owe."""
    return Subject(registry.get("simulus"), config(task, **{**SMALLEST, **diff}), task).play(steps)
