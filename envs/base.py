"""The face every task shows: a Gymnasium environment that is a function of (episode seed, actions)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium
import numpy as np


class UnknownTask(LookupError):
    """No such task; the message names the nearest ones."""


class MissingExtra(ImportError):
    """A task's simulator or renderer is not installed; the message has the line that installs it."""


class TaskEnv(gymnasium.Env[dict[str, np.ndarray], Any]):
    """One episode at a time. `reset(seed=s)` opens the episode that s names, whatever happened before; the same actions
    then give the same observations, bit for bit, in any process on the same machine.

    Observations are dicts with the task's keys; actions are float32 [A] in [-1, 1] or an int. `step` sums the rewards
    of its frames. `info["score"]`, where present, is the protocol's raw reward of the step when `reward` is shaped for
    training.
    """

    blind: bool = False  # True: `step` may leave observations blank (zeros), so that a resume replays without rendering
    continues: bool = (
        False  # the next reset goes on in the same simulation (a lost life), so history must reach further back
    )

    @abstractmethod
    def fingerprint(self) -> bytes:
        """A digest of the simulator's state, equal after equal (seed, actions)."""

    def frame(self) -> np.ndarray:
        """A picture for people: uint8 [H, W, 3]."""
        raise gymnasium.error.UnsupportedMode("this task draws no pictures")
