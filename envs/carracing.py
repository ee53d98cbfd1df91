"""Gymnasium's CarRacing-v3: the protocol `carracing` version 1."""

from __future__ import annotations

import hashlib
import importlib.util
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.envs.base import TaskEnv, Transition, observed

STEPS = 1000  # decisions of an episode, at most
ROWS = 84  # of 96: the bar below shows the score so far
SIZE = 64  # pixels, of the square picture


def protocol() -> dict[str, Any]:
    return {
        "name": "carracing",
        "version": 1,
        "id": "CarRacing-v3",
        "action_repeat": 1,
        "actions": "u in [-1, 1]^3: steering u0, gas (u1 + 1) / 2, brake (u2 + 1) / 2",
        "reward": "the game's: -0.1 per frame, 1000/N per new tile of N, -100 for leaving the field",
        "observation": f"RGB, rows 0 to {ROWS - 1} of 96, then one resize to {SIZE}x{SIZE} (PIL bilinear, antialiased)",
        "start": "the track that the episode's seed draws; domain_randomize off",
        "terminated": "every tile visited (success), or the car left the field",
        "truncated": f"after {STEPS} frames",
        "score": "sum of rewards over one episode",
    }


def missing() -> str | None:
    lacking = [package for package in ("Box2D", "pygame", "PIL") if importlib.util.find_spec(package) is None]
    return f"CarRacing needs {' and '.join(lacking)}: pip install 'gymnasium[box2d]' pillow" if lacking else None


def controls(action: np.ndarray) -> np.ndarray:
    """What the game takes, float64 [3], for an action in [-1, 1]^3."""
    steer, gas, brake = np.clip(np.asarray(action, np.float64), -1, 1)
    return np.array((steer, (gas + 1) / 2, (brake + 1) / 2))


def road(picture: np.ndarray) -> dict[str, np.ndarray]:
    """The observation of a picture uint8 [96, 96, 3] of the game."""
    from PIL import Image

    shown = Image.fromarray(picture[:ROWS]).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return {"image": np.array(shown)}


class RacingEnv(TaskEnv):
    """One drive. The physical world is made anew at every reset: an old one keeps traces of the last drive."""

    action_repeat, episode_steps, terminates = 1, STEPS, True
    observation_space = observed({"image": (SIZE, SIZE, 3)})
    action_space = spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self) -> None:
        import Box2D
        from gymnasium.envs.box2d.car_racing import CarRacing

        outer = self

        class Racing(CarRacing):
            def _render(self, mode: str) -> Any:
                return None if outer.blind else super()._render(mode)

        self._world = Box2D.b2World
        self._env = Racing()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self._env._destroy()
        self._env.road = None
        self._env.world = self._world((0, 0))
        picture, _ = self._env.reset(seed=seed)
        self._steps = 0
        return self._observe(picture), {}

    def step(self, action: np.ndarray) -> Transition:
        picture, reward, terminated, _, _ = self._env.step(controls(action))
        self._steps += 1
        return self._observe(picture), reward, terminated, not terminated and self._steps == STEPS, {}

    def _observe(self, picture: np.ndarray | None) -> dict[str, np.ndarray]:
        if picture is None:
            return {"image": np.zeros((SIZE, SIZE, 3), np.uint8)}
        return road(picture)

    def frame(self) -> np.ndarray:
        return self._env._render("state_pixels")

    def fingerprint(self) -> bytes:
        car = self._env.car
        assert car is not None, "reset opens an episode"
        hull, wheels = car.hull, car.wheels
        bodies = [(*body.position, body.angle, *body.linearVelocity, body.angularVelocity) for body in (hull, *wheels)]
        rest = [(wheel.omega, wheel.phase, wheel.gas) for wheel in wheels]
        progress = (self._env.reward, self._env.tile_visited_count, self._steps)
        return hashlib.sha256(repr((bodies, rest, progress)).encode()).digest()

    def close(self) -> None:
        self._env.close()
