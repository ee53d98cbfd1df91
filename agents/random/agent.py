"""Draws every action uniformly, learns nothing, keeps nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from bench.agents.api import Agent, Mode, Observation, Policy, State, Step


class RandomPolicy(Policy):
    def __init__(self, space: spaces.Box | spaces.Discrete, seed: int):
        self.space = space
        self.generator = np.random.default_rng(seed)

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        if isinstance(self.space, spaces.Discrete):
            return self.generator.integers(self.space.n, size=len(first)), None
        return self.generator.uniform(-1, 1, (len(first), *self.space.shape)).astype(np.float32), None

    def state_dict(self) -> State:
        return {"generator": self.generator.bit_generator.state}

    def load_state_dict(self, state: State) -> None:
        self.generator.bit_generator.state = state["generator"]


class RandomAgent(Agent):
    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return RandomPolicy(self.task.action, seed)

    def observe(self, step: Step) -> None:
        return None

    def learn(self) -> bool:
        return False

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        return None
