"""Toys in 64x64 pixels: reaching a goal, and a catch that needs memory."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.envs.base import TaskEnv, Transition, observed
from bench.envs.toys import CATCH_STEPS, SIZE, SQUARE, Reach

IMAGE = observed({"image": (SIZE, SIZE, 3)})

PLACES = 9  # where the paddle may stand
CUES = 3  # balls; each falls on three of the places
_COLOURS = np.array([(220, 60, 60), (60, 200, 60), (80, 100, 240)], np.uint8)


class PixelReach(Reach):
    """`Reach` seen from above: the point red, the goal green, the time since the last payment a bar at the bottom."""

    observation_space = IMAGE

    def _observe(self) -> dict[str, np.ndarray]:
        return {"image": np.zeros((SIZE, SIZE, 3), np.uint8) if self.blind else self.frame()}


class PixelCatch(TaskEnv):
    """Catch the ball whose colour the first picture shows: 1 if the paddle is under it when the three balls land.

    Only the first picture shows the cue. The first action moves nothing: after it the paddle appears in a place drawn
    at random, so that neither its place nor anything else in later pictures tells the cue. Then it moves by one place
    of nine a step. The landing ends the episode. Which colour falls where is the same in every episode: red left, green
    in the middle, blue right. They fall by 38 pixels in 40 steps: the pictures of steps 20 and 21 are alike.

    Action: left, stay, right.
    """

    action_repeat, episode_steps, terminates = 1, CATCH_STEPS, True
    observation_space = IMAGE
    action_space = spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        generator = np.random.default_rng(seed)
        self._cue, self._place = int(generator.integers(CUES)), int(generator.integers(PLACES))
        self._steps = 0
        return self._observe(), {}

    def step(self, action: int) -> Transition:
        if self._steps > 0:
            self._place = min(PLACES - 1, max(0, self._place + int(action) - 1))
        self._steps += 1
        landed = self._steps == CATCH_STEPS
        caught = landed and self._place * CUES // PLACES == self._cue
        return self._observe(), float(caught), landed, False, {}

    def _observe(self) -> dict[str, np.ndarray]:
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        if self.blind:
            return {"image": image}
        if self._steps == 0:
            image[:] = _COLOURS[self._cue]
            return {"image": image}
        top = 38 * self._steps // CATCH_STEPS
        for ball, colour in enumerate(_COLOURS):
            image[top : top + SQUARE, 21 * ball + 2 : 21 * ball + 2 + SQUARE] = colour
        image[SIZE - 10 :, 7 * self._place : 7 * self._place + 7] = 255
        return {"image": image}

    def frame(self) -> np.ndarray:
        return self._observe()["image"]

    def fingerprint(self) -> bytes:
        return struct.pack("3i", self._cue, self._place, self._steps)
