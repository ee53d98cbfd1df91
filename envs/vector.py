"""E task environments in this process behind Gymnasium's vector face, without autoreset: the caller says what is reset.

This is on the hot path of every run: it batches, and does nothing else. A returned array is never written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from bench.envs.base import TaskEnv

Batch = dict[str, np.ndarray]


class VectorTask(VectorEnv[Batch, np.ndarray, np.ndarray]):
    """Observations are {key: [E, ...]}, actions float32 [E, A] or int64 [E]."""

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}

    def __init__(self, envs: Sequence[TaskEnv]):
        self.envs = list(envs)
        self.num_envs = len(self.envs)
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._keys = tuple(self.envs[0].observation_space)  # type: ignore[arg-type]
        self._last: list[dict[str, np.ndarray]] = [{} for _ in self.envs]

    def reset(  # type: ignore[override]
        self, *, seed: Sequence[int | None], options: dict[str, Any] | None = None
    ) -> tuple[Batch, dict[str, Any]]:
        """Open the episodes that `seed` names where `options["reset_mask"]` (bool [E], default all) is true."""
        mask = np.ones(self.num_envs, bool) if options is None else options["reset_mask"]
        for index, env in enumerate(self.envs):
            if mask[index]:
                self._last[index], _ = env.reset(seed=seed[index])
        return self._batch(), {}

    def step(  # type: ignore[override]
        self, actions: np.ndarray, active: np.ndarray | None = None
    ) -> tuple[Batch, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One decision each; `info["score"]` [E] is the protocol's raw reward. Rows where `active` is false are not
        stepped: they repeat their last observation, with zero reward and no flags."""
        count = self.num_envs
        reward, score = np.zeros(count, np.float32), np.zeros(count)
        terminated, truncated = np.zeros(count, bool), np.zeros(count, bool)
        for index, env in enumerate(self.envs):
            if active is not None and not active[index]:
                continue
            self._last[index], value, terminated[index], truncated[index], info = env.step(actions[index])
            reward[index] = value
            score[index] = info["score"] if "score" in info else value
        return self._batch(), reward, terminated, truncated, {"score": score}

    def resume(self, observations: Sequence[dict[str, np.ndarray]]) -> Batch:
        """Take the observations that the environments were brought to from outside as the current ones."""
        self._last = list(observations)
        return self._batch()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments, rendering contexts included."""
        for env in self.envs:
            env.close()

    def _batch(self) -> Batch:
        if self.num_envs == 1:  # a view of the environment's own fresh arrays: no copy
            return {key: self._last[0][key][None] for key in self._keys}
        return {key: np.stack([row[key] for row in self._last]) for key in self._keys}
