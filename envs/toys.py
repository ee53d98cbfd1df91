"""Toys that show in seconds on a CPU whether an agent learns from vectors: reaching a goal, leaving a maze.

Both pay late, and both draw start and goal anew in every episode, so no fixed sequence of actions gets halfway from the
random policy to the optimum (tests/envs/test_toys.py computes the best one).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.envs.base import TaskEnv, Transition, observed

SPEED = 0.1  # arena half-widths per step, at most, along each axis
SIZE = 64  # pixels of a picture's side
SQUARE = 16  # pixels of a side of what it shows; of 4 and 8, world models saw nothing for long
PAY_EVERY = 10  # steps
CATCH_STEPS = 40  # steps of an episode: the balls land with the last one
REACH_STEPS = 50  # steps of an episode
MAZE_STEPS = 60  # steps of an episode, at most

# G: a door, one of which is the goal; #: a wall; the episode starts on any dot.
MAZE = (
    "G.#...G",
    "..#.#..",
    ".#....#",
    "...#...",
    "#....#.",
    "..#.#..",
    "G...#.G",
)
_FREE = {(row, column) for row, line in enumerate(MAZE) for column, mark in enumerate(line) if mark != "#"}
DOORS = sorted((row, column) for row, column in _FREE if MAZE[row][column] == "G")
STARTS = sorted(_FREE - set(DOORS))
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right

_RULES = {
    "reach": f"closeness max(0, 1 - distance) paid every {PAY_EVERY} steps; start and goal uniform in [-1, 1]^2",
    "maze": "1 for the right one of four doors, 0 for a wrong one; start and goal uniform",
    "pixel-reach": f"as toy/reach: paid every {PAY_EVERY} steps",
    "pixel-catch": "1 if the paddle is under the cued one of three balls as they land; the cue is in the first picture",
}


def protocol(name: str) -> dict[str, Any]:
    steps = {"maze": MAZE_STEPS, "pixel-catch": CATCH_STEPS}.get(name, REACH_STEPS)
    return {
        "name": "toy",
        "version": 1 if name == "reach" else 2,  # before: places one-hot in the maze, tiny things in pictures
        "task": name,
        "action_repeat": 1,
        "reward": _RULES[name],
        "start": "drawn by numpy default_rng(episode seed)",
        "steps": steps,
        "score": "sum of rewards over one episode",
    }


def references() -> dict[str, tuple[float, float]]:
    """Mean score of the uniformly random policy and of the optimum, per toy. Measured over 20,000 and 2,000 episodes of
    seeds 0, 1, ...; tests/envs/test_toys.py measures again."""
    return {
        "toy/reach": (0.927, 4.850),
        "toy/maze": (0.197, 1.0),
        "toy/pixel-reach": (0.927, 4.850),
        "toy/pixel-catch": (0.333, 1.0),
    }


def closeness(x: float, y: float, goal_x: float, goal_y: float) -> float:
    """What a payment of `reach` is worth: 1 at the goal, falling in a straight line to 0 at distance 1."""
    return max(0.0, 1.0 - float(np.hypot(x - goal_x, y - goal_y)))


class Reach(TaskEnv):
    """Steer a point to a goal, both drawn uniformly from [-1, 1]^2. Every tenth step pays the closeness to the goal.

    Action: the velocity, in units of 0.1 per step. Observation: point (2), goal (2), fraction of the ten steps since
    the last payment. Only the time limit ends an episode.
    """

    action_repeat, episode_steps, terminates = 1, REACH_STEPS, False
    observation_space = observed({"vector": (5,)})
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self._x, self._y, self._goal_x, self._goal_y = np.random.default_rng(seed).uniform(-1, 1, 4).tolist()
        self._steps = 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> Transition:
        self._x = min(1.0, max(-1.0, self._x + SPEED * min(1.0, max(-1.0, float(action[0])))))
        self._y = min(1.0, max(-1.0, self._y + SPEED * min(1.0, max(-1.0, float(action[1])))))
        self._steps += 1
        reward = 0.0
        if self._steps % PAY_EVERY == 0:
            reward = closeness(self._x, self._y, self._goal_x, self._goal_y)
        return self._observe(), reward, False, self._steps == REACH_STEPS, {}

    def _observe(self) -> dict[str, np.ndarray]:
        phase = self._steps % PAY_EVERY / PAY_EVERY
        return {"vector": np.array((self._x, self._y, self._goal_x, self._goal_y, phase), np.float32)}

    def fingerprint(self) -> bytes:
        return struct.pack("4di", self._x, self._y, self._goal_x, self._goal_y, self._steps)

    def frame(self) -> np.ndarray:
        """The point in red, the goal in green, the time since the last payment as a blue bar."""
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        for channel, x, y in ((0, self._x, self._y), (1, self._goal_x, self._goal_y)):
            row, column = round(20 - 20 * y), round(24 + 24 * x)  # of the corner: 0..40 and 0..48, above the bar
            image[row : row + SQUARE, column : column + SQUARE, channel] = 255
        image[SIZE - 6 :, : 6 * (self._steps % PAY_EVERY), 2] = 255
        return image


class Maze(TaskEnv):
    """Walk through the right one of four doors: that pays 1, a wrong one nothing, and either ends the episode.

    Action: up, down, left, right; a wall holds the walker where it is. Observation: the walker's row and column, then
    the goal's, each from -1 to 1; then for each action whether a wall or the border forbids it, 1 or 0. A walker that
    finds no door in 60 steps is stopped by the time limit.
    """

    action_repeat, episode_steps, terminates = 1, MAZE_STEPS, True
    observation_space = observed({"vector": (8,)})
    action_space = spaces.Discrete(len(MOVES))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        generator = np.random.default_rng(seed)
        self._at = STARTS[generator.integers(len(STARTS))]
        self._goal = int(generator.integers(len(DOORS)))
        self._steps = 0
        return self._observe(), {}

    def step(self, action: int) -> Transition:
        row, column = MOVES[action]
        there = self._at[0] + row, self._at[1] + column
        if there in _FREE:
            self._at = there
        self._steps += 1
        left = self._at in DOORS
        reward = float(left and DOORS[self._goal] == self._at)
        return self._observe(), reward, left, not left and self._steps == MAZE_STEPS, {}

    def _observe(self) -> dict[str, np.ndarray]:
        row, column = self._at
        places = np.array((row, column, *DOORS[self._goal]), np.float32) / (len(MAZE) // 2) - 1
        walls = [(row + down, column + right) not in _FREE for down, right in MOVES]
        return {"vector": np.concatenate((places, np.array(walls, np.float32)))}

    def fingerprint(self) -> bytes:
        return struct.pack("4i", *self._at, self._goal, self._steps)

    def frame(self) -> np.ndarray:
        colours = {"#": (90, 90, 90), "G": (60, 60, 0), ".": (0, 0, 0)}
        image = np.array([[colours[mark] for mark in line] for line in MAZE], np.uint8)
        image[DOORS[self._goal]] = 0, 200, 0
        image[self._at] = 255, 255, 255
        return image.repeat(9, axis=0).repeat(9, axis=1)
