"""Whether EnvPool's CarRacing is the one of gymnasium that this suite scores: the ground on which it may ever train.

Slow (hours of gymnasium's simulator on one core) and skipped where `pip install 'envpool>=1.2,<2'` was not typed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from bench.envs.carracing import ROWS, SIZE, STEPS, RacingEnv

CONTROLLERS, EPISODES = 20, 20
Step = Callable[[np.ndarray], tuple[np.ndarray, float, bool]]


class Drives:
    """What one simulator gives: returns [controllers, episodes], and the pictures' mean and deviation."""

    def __init__(self, reset: Callable[[int], np.ndarray], step: Step, controllers: int, episodes: int, steps: int):
        self.returns, pixels = np.zeros((controllers, episodes)), []
        for controller in range(controllers):
            drive = linear(controller)
            for episode in range(episodes):
                picture, over, at = reset(1000 * controller + episode), False, 0
                while not over and at < steps:
                    pixels.append((picture.mean(), picture.astype(np.float64).var()))
                    picture, reward, over = step(drive(picture))
                    self.returns[controller, episode] += reward
                    at += 1
        moments = np.array(pixels).mean(0)
        self.mean, self.deviation = moments[0], moments[1] ** 0.5


def linear(seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """A fixed controller that sees the picture in 8x8 blocks of grey: actions as the task takes them."""
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(0, 0.3, (3, 64)), rng.normal(0, 0.5, 3)

    def act(picture: np.ndarray) -> np.ndarray:
        grey = picture.reshape(8, SIZE // 8, 8, SIZE // 8, 3).mean((1, 3, 4)).ravel() / 128 - 1
        return np.tanh(weight @ grey + bias).astype(np.float32)

    return act


def ours(controllers: int, episodes: int, steps: int) -> Drives:
    env = RacingEnv()

    def step(action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        seen, reward, terminated, truncated, _ = env.step(action)
        return seen["image"], float(reward), bool(terminated or truncated)

    drives = Drives(lambda seed: env.reset(seed=seed)[0]["image"], step, controllers, episodes, steps)
    env.close()
    return drives


def pooled(controllers: int, episodes: int, steps: int) -> Drives:
    """EnvPool's, a pool of one per episode: it cannot be seeded otherwise."""
    envpool = pytest.importorskip("envpool", reason="EnvPool's parity was not checked: pip install 'envpool>=1.2,<2'")
    made = {}

    def crop(picture: np.ndarray) -> np.ndarray:
        return np.array(Image.fromarray(picture[:ROWS]).resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    def reset(seed: int) -> np.ndarray:
        made["env"] = envpool.make("CarRacing-v3", env_type="gymnasium", num_envs=1, seed=seed, max_episode_steps=STEPS)
        return crop(made["env"].reset()[0][0])

    def step(action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        steer, gas, brake = action
        drive = np.array([[steer, (gas + 1) / 2, (brake + 1) / 2]], np.float32)
        picture, reward, terminated, truncated, _ = made["env"].step(drive)
        return crop(picture[0]), float(reward[0]), bool(terminated[0] or truncated[0])

    return Drives(reset, step, controllers, episodes, steps)


@pytest.mark.slow
def test_envpools_carracing_is_gymnasiums():
    theirs = pooled(CONTROLLERS, EPISODES, STEPS)
    mine = ours(CONTROLLERS, EPISODES, STEPS)
    one, other = mine.returns.mean(1), theirs.returns.mean(1)
    difference = one - other
    assert np.corrcoef(one, other)[0, 1] > 0.95
    assert abs(difference.mean()) <= 2.093 * difference.std(ddof=1) / CONTROLLERS**0.5  # Student's t, 19 degrees
    assert theirs.mean == pytest.approx(mine.mean, rel=0.05)
    assert theirs.deviation == pytest.approx(mine.deviation, rel=0.05)
