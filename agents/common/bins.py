"""Actions as one choice per dimension: evenly spaced bins from -1 to 1 in a Box; a Discrete space is one dimension."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces


class Bins:
    def __init__(self, space: spaces.Box | spaces.Discrete, bins: int):
        self.discrete = isinstance(space, spaces.Discrete)
        self.dimensions = 1 if isinstance(space, spaces.Discrete) else int(np.prod(space.shape))
        self.choices = int(space.n) if isinstance(space, spaces.Discrete) else bins

    def actions(self, choice: np.ndarray) -> np.ndarray:
        """Choices int [..., dimensions] as the environment's actions: int64 [...] or float32 [..., A]."""
        if self.discrete:
            return choice[..., 0].astype(np.int64)
        return (choice * (2 / (self.choices - 1)) - 1).astype(np.float32)

    def choice(self, actions: np.ndarray) -> np.ndarray:
        """The inverse of `actions`, int64 [..., dimensions]."""
        if self.discrete:
            return actions[..., None]
        return np.rint((actions + 1) * ((self.choices - 1) / 2)).astype(np.int64)
