"""Atari games: the protocol `atari` version 1, on the Arcade Learning Environment itself."""

from __future__ import annotations

import hashlib
import importlib.util
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.agents.api import Collection
from bench.envs.base import MissingExtra, TaskEnv, Transition, UnknownTask, observed

REPEAT = 4  # frames per decision
NOOPS = 30  # at most, at the start of a game
CAP = 108_000  # frames of a game: 30 minutes of play
SIZE = 64  # pixels, of the square picture


def protocol(name: str) -> dict[str, Any]:
    return {
        "name": "atari",
        "version": 1,
        "rom": name,
        "actions": "minimal",
        "sticky_actions": 0.0,
        "action_repeat": REPEAT,
        "reward": "raw game score, summed over the frames of a decision",
        "observation": (
            f"RGB, maximum of a decision's last two frames, then one resize to {SIZE}x{SIZE} "
            "(PIL bilinear, antialiased); where the game ends inside a decision, of the last two frames drawn"
        ),
        "start": f"0 to {NOOPS} frames of no-op, uniformly drawn by the episode's seed; not counted",
        "terminated": "game over",
        "truncated": f"after {CAP} frames",
        "score": "sum of raw rewards over one game",
    }


def missing(name: str) -> str | None:
    lacking = [package for package in ("ale_py", "PIL") if importlib.util.find_spec(package) is None]
    return f"Atari needs {' and '.join(lacking)}: pip install ale-py==0.12.* pillow" if lacking else None


class AtariEnv(TaskEnv):
    """One game at a time. The machine is put back into one saved state at every reset: the emulator's own reset leaves
    traces of the last game in 9 of the 26 games."""

    action_repeat, episode_steps, terminates = REPEAT, CAP // REPEAT, True
    observation_space = observed({"image": (SIZE, SIZE, 3)})

    def __init__(self, rom: str, collection: Collection | None = None):
        from ale_py import ALEInterface, LoggerMode, roms
        from PIL import Image

        self._image = Image
        self._options = collection or Collection()
        self._cap = min(CAP, self._options.max_frames or CAP)
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._ale = ALEInterface()
        self._ale.setInt("random_seed", 0)
        self._ale.setFloat("repeat_action_probability", 0.0)
        path = roms.get_rom_path(rom)
        if path is None:
            raise MissingExtra(f"ale-py has no ROM named {rom!r}: pip install ale-py==0.12.*")
        self._ale.loadROM(path)
        self._ale.reset_game()
        self._start = self._ale.cloneSystemState()
        self._actions = self._ale.getMinimalActionSet()
        self.action_space = spaces.Discrete(len(self._actions))
        height, width = self._ale.getScreenDims()
        self._screens = np.zeros((2, height, width, 3), np.uint8)  # the last two that were drawn
        self._newest = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if self.continues:
            self._ale.act(self._actions[0])
        if not self.continues or self._ale.game_over():
            # The emulator's reset clears the picture, which the state does not hold; the state brings back the rest.
            self._ale.reset_game()
            self._ale.restoreSystemState(self._start)
            self._frames = 0
            for _ in range(np.random.default_rng(seed).integers(NOOPS + 1)):
                self._ale.act(self._actions[0])
            self._draw()
        self.continues = False
        self._draw()
        self._lives = self._ale.lives()
        return self._observe(), {}

    def step(self, action: int) -> Transition:
        ale, native = self._ale, self._actions[action]
        score = reward = 0.0
        over = False
        for frame in range(REPEAT):
            paid = ale.act(native)
            score += paid
            reward += (paid > 0) - (paid < 0) if self._options.frame_sign_reward else paid
            over = ale.game_over()
            if (frame >= REPEAT - 2 or over) and not self.blind:
                self._draw()
            if over:
                break
        self._frames += REPEAT
        lives = ale.lives()
        truncated = self._frames >= self._cap and not over
        lost = self._options.life_loss_ends and lives < self._lives
        self._lives = lives
        self.continues = lost and not over and not truncated
        return self._observe(), reward, over or lost, truncated, {"score": score}

    def _draw(self) -> None:
        self._newest = 1 - self._newest
        self._ale.getScreenRGB(self._screens[self._newest])

    def _observe(self) -> dict[str, np.ndarray]:
        if self.blind:
            return {"image": np.zeros((SIZE, SIZE, 3), np.uint8)}
        pooled = self._image.fromarray(np.maximum(*self._screens))
        return {"image": np.array(pooled.resize((SIZE, SIZE), self._image.Resampling.BILINEAR))}

    def frame(self) -> np.ndarray:
        return self._screens[self._newest].copy()

    def fingerprint(self) -> bytes:
        return hashlib.sha256(self._ale.getRAM().tobytes() + self._frames.to_bytes(4, "big")).digest()


def exists(name: str) -> bool:
    """Whether the emulator has this game."""
    if importlib.util.find_spec("ale_py") is None:
        raise UnknownTask(f"cannot tell whether there is a game {name!r}. {missing(name)}")
    from ale_py import roms

    return name in roms.get_all_rom_ids()
