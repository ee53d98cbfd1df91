"""Evaluation: its own policy, environments and seeds, so that training with and without it is bit-identical."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.agents.api import Agent, Mode
from bench.benchmarks.chance import seeds
from bench.envs import registry
from bench.envs.vector import VectorTask

PARALLEL = 10  # episodes played side by side; a round's results depend on nothing but its number and the weights


@dataclass(frozen=True)
class Episodes:
    """What an evaluation saw: raw undiscounted returns, lengths in decisions, episode seeds."""

    returns: list[float]
    lengths: list[int]
    seeds: list[int]


class Evaluator:
    """Keeps a task's evaluation environments from one evaluation to the next."""

    def __init__(self, task_id: str):
        self._task_id = task_id
        self._envs: VectorTask | None = None

    def close(self) -> None:
        if self._envs is not None:
            self._envs.close()
            self._envs = None

    def play(
        self,
        agent: Agent,
        episodes: int,
        key: tuple[int, ...],
        mode: Mode = "evaluate",
        tick: Callable[[], None] = lambda: None,
        watch: Callable[[VectorTask], None] | None = None,
    ) -> Episodes:
        """Play whole episodes; `key` alone decides their seeds and the policy's. `tick` is called before every
        decision and may raise, `watch` after every reset and decision."""
        width = min(PARALLEL, episodes)
        if self._envs is not None and self._envs.num_envs != width:
            self.close()
        if self._envs is None:
            self._envs = VectorTask([registry.make(self._task_id) for _ in range(width)])
        episode_seeds = seeds(*key, 0, count=episodes)
        result = Episodes([], [], episode_seeds)
        for number, start in enumerate(range(0, episodes, width)):
            policy = agent.policy(width, seeds(*key, 1, number)[0], mode)
            part = episode_seeds[start : start + width]
            self._round(self._envs, policy.act, part, result, tick, watch)
        return result

    @staticmethod
    def _round(envs, act, part, result, tick, watch) -> None:  # type: ignore[no-untyped-def]
        """One episode per environment, in lockstep until the last has ended; the last round may leave some idle."""
        width = envs.num_envs
        observation, _ = envs.reset(seed=[part[i] if i < len(part) else part[0] for i in range(width)])
        active = np.arange(width) < len(part)
        first = np.ones(width, bool)
        returns, lengths = np.zeros(width), np.zeros(width, np.int64)
        while True:
            if watch is not None:
                watch(envs)
            if not active.any():
                break
            tick()
            action, _ = act(observation, first)
            observation, _, terminated, truncated, info = envs.step(action, active)
            returns += np.where(active, info["score"], 0.0)
            lengths += active
            active = active & ~(terminated | truncated)
            first = np.zeros(width, bool)
        result.returns.extend(returns[: len(part)].tolist())
        result.lengths.extend(lengths[: len(part)].tolist())
