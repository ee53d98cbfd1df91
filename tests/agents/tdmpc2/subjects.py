"""Small agents for the tests of this family, in state and in pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Task
from bench.agents.counter import TASKS, Subject
from bench.agents.tdmpc2.agent import TDMPC2
from bench.agents.tdmpc2.config import TDMPC2Config
from bench.agents.tdmpc2.update import Batch

SMALLEST: dict[str, Any] = {
    "encoder_width": 16, "width": 16, "latent": 16, "members": 3, "batch": 8, "samples": 12, "elites": 4,
    "proposals": 3, "iterations": 2, "seed_steps": 20, "seed_episodes": 1, "steps_per_update": 4,
}  # fmt: skip
VECTOR, IMAGE = TASKS["counter/vector-box"], TASKS["counter/image-box"]


def control(size: int = 24, actions: int = 6, steps: int | None = 500, terminates: bool = False) -> Task:
    """A control task from states, by default walker's."""
    observation = spaces.Dict({"state": spaces.Box(-np.inf, np.inf, (size,), np.float32)})
    return Task("any", observation, spaces.Box(-1, 1, (actions,), np.float32), 2, steps, terminates)


def config(task: Task, scale: str = "tiny", **diff: Any) -> TDMPC2Config:
    spec = registry.get("tdmpc2")
    resolved = registry.resolve(spec, task, scale, diff, {})  # type: ignore[arg-type]
    assert isinstance(resolved, TDMPC2Config)
    return resolved


def built(task: Task = VECTOR, **diff: Any) -> TDMPC2:
    """An untrained agent of the smallest sizes."""
    return TDMPC2(config(task, **{**SMALLEST, **diff}), task, 3, "cpu")


def played(task: Task = VECTOR, steps: int = 60, **diff: Any) -> Subject:
    """An agent after some decisions in the task that counts, and what they owe."""
    return Subject(registry.get("tdmpc2"), config(task, **{**SMALLEST, **diff}), task).play(steps)


def random_batch(agent: TDMPC2, seed: int = 0) -> Batch:
    """A batch of noise in the agent's shapes; rewards of some size, every tenth slice terminated at its end."""
    config, generator = agent.config, torch.Generator().manual_seed(seed)
    size = agent.task.observation.spaces["vector"].shape[0]  # type: ignore[index]
    horizon, batch = config.horizon, config.batch
    terminated = torch.zeros(horizon, batch)
    terminated[-1, ::10] = 1
    return Batch(
        {"vector": torch.randn(horizon + 1, batch, size, generator=generator)},
        2 * torch.rand(horizon, batch, agent.size, generator=generator) - 1,
        3 * torch.rand(horizon, batch, generator=generator),
        terminated,
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
