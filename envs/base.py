"""The face every task shows: a Gymnasium environment that is a function of (episode seed, actions)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

Transition = tuple[
    dict[str, np.ndarray], float, bool, bool, dict[str, Any]
]  # observation, reward, terminated, truncated, info


def observed(shapes: Mapping[str, Sequence[int]]) -> spaces.Dict:
    """An observation space: "image" is uint8, any other key an unbounded float32 vector."""
    return spaces.Dict(
        {
            key: spaces.Box(0, 255, tuple(shape), np.uint8)
            if key == "image"
            else spaces.Box(-np.inf, np.inf, tuple(shape), np.float32)
            for key, shape in shapes.items()
        }
    )


class UnknownTask(LookupError):
    """No such task; the message names the nearest ones."""


class MissingExtra(ImportError):
    """A task's simulator or renderer is not installed; the message has the line that installs it."""


class TaskEnv(gymnasium.Env[Any, Any]):
    """One episode at a time. `reset(seed=s)` opens the episode that s names, whatever happened before; the same actions
    then give the same observations, bit for bit, in any process on the same machine.

    Observations are dicts with the task's keys; actions are float32 [A] in [-1, 1] or an int. `step` sums the rewards
    of its frames. Returned arrays are new ones every time. `info["score"]`, where present, is the protocol's raw reward
    of the step when `reward` is shaped for training.
    """

    action_repeat: int  # simulator frames per decision
    episode_steps: int | None  # the time limit in decisions
    terminates: bool  # False where only time limits end an episode

    # True: `step` may leave observations blank (zeros), so that a resume replays without rendering.
    blind: bool = False
    # The next reset goes on in the same simulation (a lost life), so history must reach further back.
    continues: bool = False

    @abstractmethod
    def fingerprint(self) -> bytes:
        """A digest of the simulator's state, equal after equal (seed, actions)."""

    def frame(self) -> np.ndarray:
        """A picture for people: uint8 [H, W, 3]."""
        raise gymnasium.error.UnsupportedMode("this task draws no pictures")
