"""Small agents and networks for the tests of this family."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Task
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
