"""Small agents for the tests of this family."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Task
from bench.agents.counter import TASKS, Subject
from bench.agents.dcmpc.agent import DCMPC
from bench.agents.dcmpc.config import DCMPCConfig
from bench.agents.dcmpc.update import Slices, Transitions

SMALLEST: dict[str, Any] = {
    "slots": 8, "encoder_width": 16, "width": 16, "members": 3, "batch": 8, "samples": 12, "elites": 4,
    "proposals": 3, "iterations": 2, "random_episodes": 2, "steps_per_update": 4,
}  # fmt: skip
VECTOR, IMAGE = TASKS["counter/vector-box"], TASKS["counter/image-box"]


def control(name: str = "any", size: int = 24, actions: int = 6, terminates: bool = False) -> Task:
    """A control task of 500 decisions from states, by default in walker's sizes."""
    observation = spaces.Dict({"state": spaces.Box(-np.inf, np.inf, (size,), np.float32)})
    return Task(name, observation, spaces.Box(-1, 1, (actions,), np.float32), 2, 500, terminates)


def config(task: Task, scale: str = "tiny", **diff: Any) -> DCMPCConfig:
    resolved = registry.resolve(registry.get("dcmpc"), task, scale, diff, {})  # type: ignore[arg-type]
    assert isinstance(resolved, DCMPCConfig)
    return resolved


def built(task: Task = VECTOR, **diff: Any) -> DCMPC:
    """An untrained agent of the smallest sizes."""
    return DCMPC(config(task, **{**SMALLEST, **diff}), task, 3, "cpu")


def played(steps: int = 60, **diff: Any) -> DCMPC:
    """An agent after some decisions in the task that counts, and what they owe."""
    agent = Subject(registry.get("dcmpc"), config(VECTOR, **{**SMALLEST, **diff}), VECTOR).play(steps).agent
    assert isinstance(agent, DCMPC)
    return agent


def noise(agent: DCMPC, seed: int = 0) -> tuple[Slices, Transitions]:
    """A batch of noise in the agent's shapes; every fourth transition ends its episode, the last one is none."""
    config, chance = agent.config, generator(seed)
    horizon, batch = config.horizon, config.batch
    size = agent.task.observation.spaces["vector"].shape[0]  # type: ignore[index]
    discount = torch.full((batch,), 0.9)
    discount[::4] = 0
    return (
        Slices(
            {"vector": torch.randn(horizon + 1, batch, size, generator=chance)},
            2 * torch.rand(horizon, batch, agent.size, generator=chance) - 1,
            3 * torch.rand(horizon, batch, generator=chance),
        ),
        Transitions(
            {"vector": torch.randn(batch, size, generator=chance)},
            2 * torch.rand(batch, agent.size, generator=chance) - 1,
            3 * torch.rand(batch, generator=chance),
            {"vector": torch.randn(batch, size, generator=chance)},
            discount,
            torch.arange(batch) < batch - 1,
        ),
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
