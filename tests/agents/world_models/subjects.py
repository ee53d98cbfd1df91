"""Small agents for the tests of this family."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Task
from bench.agents.counter import TASKS, Subject
from bench.agents.world_models.agent import WorldModels
from bench.agents.world_models.config import WorldModelsConfig

VECTOR, IMAGE = TASKS["counter/vector-box"], TASKS["counter/image-box"]
CHOICES = TASKS["counter/vector-discrete"]
RACING = Task(
    "carracing/v3",
    spaces.Dict({"image": spaces.Box(0, 255, (64, 64, 3), np.uint8)}),
    spaces.Box(-1, 1, (3,), np.float32),
    1,
    1000,
    True,
)
COVER = Task("takecover/v1", RACING.observation, spaces.Discrete(3), 1, 2100, True)
SMALLEST: dict[str, Any] = {
    "data_episodes": 3, "latent": 4, "v_units": 8, "v_batch": 8, "v_epochs": 1, "hidden": 6, "mixtures": 2,
    "m_batch": 2, "m_length": 5, "m_updates": 3, "population": 4, "rollouts": 2, "generations": 50, "horizon": 12,
    "fitness": "real", "reward": "none", "end": False, "collection.envs": 1,
}  # fmt: skip
DREAM: dict[str, Any] = {**SMALLEST, "fitness": "dream", "reward": "linear", "end": True}


def config(task: Task, scale: str = "tiny", **diff: Any) -> WorldModelsConfig:
    resolved = registry.resolve(registry.get("world_models"), task, scale, diff, {})  # type: ignore[arg-type]
    assert isinstance(resolved, WorldModelsConfig)
    return resolved


def subject(task: Task = VECTOR, sizes: dict[str, Any] = SMALLEST, **diff: Any) -> Subject:
    """An agent of the smallest sizes in the task that counts, with the loop around it."""
    return Subject(registry.get("world_models"), config(task, **{**sizes, **diff}), task)


def played(steps: int, task: Task = VECTOR, sizes: dict[str, Any] = SMALLEST, **diff: Any) -> WorldModels:
    agent = subject(task, sizes, **diff).play(steps).agent
    assert isinstance(agent, WorldModels)
    return agent


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
