"""E task environments stepped together in this process, behind Gymnasium's vector face, with explicit resets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from bench.agents.api import Observation
from bench.envs.base import TaskEnv


class VectorTask(VectorEnv[Observation, np.ndarray, np.ndarray]):
    """Nothing resets by itself. A returned observation is never written to again, whatever follows."""

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}

    def __init__(self, envs: Sequence[TaskEnv]):
        self.envs = list(envs)
        self.num_envs = len(self.envs)
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._rows: list[dict[str, np.ndarray]] = [{} for _ in self.envs]

    def reset(  # type: ignore[override]
        self, *, seed: Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Open episodes by their seeds, in all environments or in those of options["reset_mask"], bool [E]; the other
        rows keep their last observation. Returns observations {key: [E, ...]}."""
        mask = [True] * self.num_envs if options is None else options["reset_mask"]
        for env, single in enumerate(self.envs):
            if mask[env]:
                self._rows[env], _ = single.reset(seed=None if seed is None else seed[env])
        return self._batch(), {}

    def step(
        self, actions: np.ndarray, active: np.ndarray | None = None
    ) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One decision in each environment, or in those of `active`, bool [E]: the other rows repeat their last
        observation with zero reward.

        Returns observations {key: [E, ...]}, reward float32 [E], terminated and truncated bool [E], and info with
        "score", float64 [E]: the protocol's raw reward, where `reward` may be shaped for training.
        """
        reward, score = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, bool)
        for env, single in enumerate(self.envs):
            if active is None or active[env]:
                self._rows[env], paid, terminated[env], truncated[env], info = single.step(actions[env])
                reward[env] = paid
                score[env] = info.get("score", paid)
        return self._batch(), reward, terminated, truncated, {"score": score}

    def resume(self, observation: Observation) -> Observation:
        """Take `observation` {key: [E, ...]} as the last one of environments that were played on one by one."""
        self._rows = [{key: rows[env] for key, rows in observation.items()} for env in range(self.num_envs)]
        return observation

    def _batch(self) -> Observation:
        # Every environment returns new arrays, so one row needs no copy.
        if self.num_envs == 1:
            return {key: row[None] for key, row in self._rows[0].items()}
        return {key: np.stack([row[key] for row in self._rows]) for key in self._rows[0]}

    def close_extras(self, **kwargs: Any) -> None:
        for single in self.envs:
            single.close()
