"""EnvPool's CarRacing-v3, a training back end for the protocol of carracing.py: the same game written in C++, several
times as fast. It draws other tracks for the same seeds and its own pictures of them, so nothing is evaluated in it."""

from __future__ import annotations

import hashlib
import importlib.util
from typing import Any

import numpy as np

from bench.envs.base import MissingExtra, TaskEnv, Transition
from bench.envs.carracing import STEPS, RacingEnv, controls, road

_INSTALL = "pip install 'envpool>=1.2,<2' (this suite's extra envpool)"


def missing() -> str | None:
    return f"the envpool back end needs envpool: {_INSTALL}" if importlib.util.find_spec("envpool") is None else None


class PooledRacingEnv(TaskEnv):
    """One drive. EnvPool takes a seed only where a pool is made, so every reset makes a pool of one car (0.5 ms): here,
    too, an episode is a function of its seed and the actions, and nothing is ever reset by EnvPool itself.

    It always draws, `blind` or not. Its rewards are sums in float32.
    """

    action_repeat, episode_steps, terminates = RacingEnv.action_repeat, RacingEnv.episode_steps, RacingEnv.terminates
    observation_space, action_space = RacingEnv.observation_space, RacingEnv.action_space

    def __init__(self) -> None:
        try:
            import envpool
        except ImportError as error:
            raise MissingExtra(f"the envpool back end cannot be used ({error}): {_INSTALL}") from error
        self._make = envpool.make_gymnasium
        self._pool: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        limit = STEPS + 1  # beyond ours, so that `terminated` and `truncated` are told apart as in gymnasium's game
        self._pool = self._make("CarRacing-v3", num_envs=1, num_threads=1, seed=seed, max_episode_steps=limit)
        pictures, _ = self._pool.reset()
        self._picture, self._steps, self._total = pictures[0], 0, 0.0
        return road(self._picture), {}

    def step(self, action: np.ndarray) -> Transition:
        pictures, rewards, terminated, _, _ = self._pool.step(controls(action).astype(np.float32)[None])
        self._picture, reward, over = pictures[0], float(rewards[0]), bool(terminated[0])
        self._steps += 1
        self._total += reward
        return road(self._picture), reward, over, not over and self._steps == STEPS, {}

    def frame(self) -> np.ndarray:
        return self._picture.copy()

    def fingerprint(self) -> bytes:
        """Of what can be seen of the simulator: its picture, whose bar shows speed and steering, and the rewards."""
        return hashlib.sha256(self._picture.tobytes() + repr((self._total, self._steps)).encode()).digest()

    def close(self) -> None:
        self._pool = None
