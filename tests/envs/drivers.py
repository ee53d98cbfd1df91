"""Twenty fixed drivers of CarRacing, from one that stands still to some that finish laps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bench.envs.base import TaskEnv

HOLD = 8  # frames that a decision is held; gymnasium's game need not draw those between


class Driver(NamedTuple):
    """Steers to the middle of the road that it sees in some rows ahead."""

    gas: float  # 0 to 1, where the road ahead is straight
    gain: float = 1.0  # of the steering; 0 goes straight on, below 0 away from the road
    row: int = 34  # the first of four rows of the picture that it looks at
    calm: float = 0.15  # how far the road may lead aside, of half a picture, before it brakes
    brake: float = 0.1  # 0 to 1

    def act(self, aside: float) -> np.ndarray:
        calm = abs(aside) < self.calm
        gas, brake = (self.gas, 0.0) if calm else (0.0, self.brake)
        return np.array((np.clip(self.gain * aside, -1, 1), 2 * gas - 1, 2 * brake - 1), np.float32)

    def drive(self, env: TaskEnv, seed: int) -> Iterator[tuple[np.ndarray, float]]:
        """A whole episode: each picture that was decided on, and what was paid until the next one."""
        observation, _ = env.reset(seed=seed)
        over, aside = False, 0.0
        while not over:
            picture, paid = observation["image"], 0.0
            red, green = picture[self.row : self.row + 4, :, :2].astype(int).transpose(2, 0, 1)
            grey = (abs(red - green) < 25) & (red > 60)
            if grey.any():
                aside = float(np.nonzero(grey)[1].mean() - 31.5) / 32
            for frame in range(1, HOLD + 1):
                env.blind = frame < HOLD
                observation, reward, terminated, truncated, _ = env.step(self.act(aside))
                paid, over = paid + reward, terminated or truncated
                if over:
                    break
            yield picture, paid


HASTY = {"row": 40, "calm": 9.0}  # it never brakes
DRIVERS = (
    *(Driver(gas) for gas in (0.0, 0.004, 0.008, 0.012, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4)),
    *(Driver(gas, **HASTY) for gas in (0.01, 0.05, 0.1)),
    *(Driver(0.1, gain, **HASTY) for gain in (-1.0, 0.0, 0.2, 2.0)),
    Driver(0.03, 0.0),
    Driver(0.1, 2.0, row=44),
    Driver(0.2, 2.0, row=40, calm=0.2),
)
