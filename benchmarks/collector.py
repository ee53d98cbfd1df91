"""Training experience: episodes opened by seed, stepped together, reset by themselves, and re-opened after a kill.

Every environment is a function of (episode seed, actions), so an open episode is saved as its seed and the actions
since, and a resume plays them again without rendering. A hash of simulator and observation tells whether it came out
the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.agents.api import Agent, Observation, Step
from bench.envs.base import TaskEnv
from bench.envs.vector import VectorTask
from bench.results.schema import End


class Collector:
    """E training environments in lockstep. Resets cost no step; `on_end` receives every episode's row as it ends."""

    def __init__(self, envs: VectorTask, agent: Agent, on_end: Callable[[int, int, float, int, End], None]):
        """on_end(episode, seed, return, length in decisions, end)."""
        self.envs, self._agent, self._on_end = envs, agent, on_end
        count = envs.num_envs
        self._next = 0  # number of the next episode to open
        self._episode = np.zeros(count, np.int64)
        self._seed = [0] * count
        self._return = np.zeros(count)
        self._length = np.zeros(count, np.int64)
        self._first = np.ones(count, bool)
        self._ended = np.zeros(count, bool)
        self._truncated = np.zeros(count, bool)
        # Per environment: [seed, actions since that reset], more than one where a reset went on in the same game.
        self._history: list[list[tuple[int, list[Any]]]] = [[] for _ in range(count)]
        self._observation: Observation = {}

    def start(self) -> None:
        """Open the first episodes."""
        self._open(np.ones(self.envs.num_envs, bool))

    def current(self) -> tuple[Observation, np.ndarray]:
        """Observations {key: [E, ...]} to act on, and flags [E]: it came from a reset."""
        return self._observation, self._first

    def step(self, action: np.ndarray, extras: Any) -> Step:
        """One decision in each environment. `cut` must follow before the next one."""
        observation, first = self._observation, self._first
        after, reward, terminated, truncated, info = self.envs.step(action)
        for env, history in enumerate(self._history):
            history[-1][1].append(action[env].copy())
        self._return += info["score"]
        self._length += 1
        self._ended = terminated | truncated
        self._truncated = truncated & ~terminated
        self._observation, self._first = after, np.zeros(self.envs.num_envs, bool)
        return Step(observation, action, reward, after, first, terminated, truncated, self._episode.copy(), extras)

    def cut(self, mask: np.ndarray | None) -> None:
        """Close the episodes that ended, and those of `mask` [E], and open the next ones."""
        over = self._ended if mask is None else self._ended | np.asarray(mask, bool)
        if over.any():
            for env in np.flatnonzero(over).tolist():
                end: End = "cut" if not self._ended[env] else "truncated" if self._truncated[env] else "terminated"
                if not self._single(env).continues:  # a lost life: the game's row comes at its end
                    self._close(env, end)
            self._open(over)
            self._ended = np.zeros(self.envs.num_envs, bool)

    def _close(self, env: int, end: End) -> None:
        row = int(self._episode[env]), self._seed[env], float(self._return[env]), int(self._length[env])
        self._on_end(*row, end)

    def _open(self, mask: np.ndarray) -> None:
        seeds: list[int | None] = [None] * self.envs.num_envs
        for env in np.flatnonzero(mask).tolist():
            self._episode[env] = self._next
            seeds[env] = self._seed[env] = self._agent.episode_seed(self._next)
            self._next += 1
            if not self._single(env).continues:
                self._history[env].clear()
                self._return[env] = self._length[env] = 0
            self._history[env].append((self._seed[env], []))
        self._observation, _ = self.envs.reset(seed=seeds, options={"reset_mask": mask})
        self._first = np.where(mask, True, self._first)

    def _single(self, env: int) -> TaskEnv:
        return self.envs.envs[env]

    def _hash(self, env: int) -> str:
        digest = hashlib.sha256(self._single(env).fingerprint())
        for key in sorted(self._observation):
            digest.update(np.ascontiguousarray(self._observation[key][env]).tobytes())
        return digest.hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """Open episodes as seeds and actions, with a hash of where they stand."""
        return {
            "next": self._next,
            "open": [
                {
                    "episode": int(self._episode[env]),
                    "return": float(self._return[env]),
                    "length": int(self._length[env]),
                    "history": [(seed, np.asarray(actions)) for seed, actions in history],
                    "hash": self._hash(env),
                }
                for env, history in enumerate(self._history)
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> int:
        """Play the open episodes again. Returns how many came out differently: those were closed as `stopped` and new
        ones were opened in their place."""
        self._next = state["next"]
        rows = []
        for env, saved in enumerate(state["open"]):
            rows.append(self._replay(env, saved["history"]))
            self._history[env] = [(seed, list(actions)) for seed, actions in saved["history"]]
            self._episode[env], self._seed[env] = saved["episode"], saved["history"][-1][0]
            self._return[env], self._length[env] = saved["return"], saved["length"]
            self._first[env] = len(saved["history"][-1][1]) == 0
        self._observation = self.envs.resume({key: np.stack([row[key] for row in rows]) for key in rows[0]})
        stale = np.array([self._hash(env) != saved["hash"] for env, saved in enumerate(state["open"])])
        for env in np.flatnonzero(stale).tolist():
            self._close(env, "stopped")
            self._history[env].clear()
        if stale.any():
            self._open(stale)
        return int(stale.sum())

    def _replay(self, env: int, history: list[tuple[int, np.ndarray]]) -> Observation:
        single = self._single(env)
        for seed, actions in history:
            observation, _ = single.reset(seed=seed)
            for number, action in enumerate(actions, 1):
                single.blind = number < len(actions)
                observation, *_ = single.step(action)
            single.blind = False
        return observation
