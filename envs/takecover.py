"""ViZDoom's Take Cover, stay alive under fire: the protocol `takecover` version 1."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.envs.base import MissingExtra, TaskEnv, Transition, observed

STEPS = 2100  # decisions of an episode, at most: a minute of the game's 35 tics a second
SIZE = 64  # pixels, of the square picture
_INSTALL = "pip install 'vizdoom>=1.3,<2' (this suite's extra vizdoom)"


def protocol() -> dict[str, Any]:
    return {
        "name": "takecover",
        "version": 1,
        "scenario": "take_cover.cfg as ViZDoom ships it, with the free freedoom2.wad",
        "action_repeat": 1,
        "actions": "0 moves left, 1 stays, 2 moves right",
        "reward": "1 per tic, the one of the player's death included",
        "observation": (
            f"RGB 320x240 without status bar, one resize to {SIZE}x{SIZE} (PIL bilinear, antialiased); "
            "at death the last picture drawn"
        ),
        "start": "the game's random numbers start from the episode's seed",
        "terminated": "the player's death",
        "truncated": f"after {STEPS} tics",
        "score": "sum of rewards over one episode, which is its length in tics",
    }


def missing() -> str | None:
    return f"Take Cover needs vizdoom: {_INSTALL}" if importlib.util.find_spec("vizdoom") is None else None


class CoverEnv(TaskEnv):
    """One stand. The game runs in a process of its own, which the library talks to."""

    action_repeat, episode_steps, terminates = 1, STEPS, True
    observation_space = observed({"image": (SIZE, SIZE, 3)})
    action_space = spaces.Discrete(3)

    def __init__(self) -> None:
        try:
            import vizdoom
        except ImportError as error:
            raise MissingExtra(f"Take Cover cannot be played ({error}): {_INSTALL}") from error
        from PIL import Image

        self._image = Image
        self._game = game = vizdoom.DoomGame()
        game.load_config(str(Path(vizdoom.scenarios_path, "take_cover.cfg")))
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        game.set_window_visible(False)
        game.set_objects_info_enabled(True)
        _start(game, Path(vizdoom.__file__).with_name("vizdoom"))
        buttons = [button.name for button in game.get_available_buttons()]
        self._presses = [[name == wanted for name in buttons] for wanted in ("MOVE_LEFT", "", "MOVE_RIGHT")]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self._game.set_seed(seed)
        self._game.new_episode()
        self._steps = 0
        self._state = self._game.get_state()
        return self._observe(), {}

    def step(self, action: int) -> Transition:
        self._game.set_action(self._presses[action])
        self._game.advance_action(1, not self.blind)
        self._steps += 1
        dead = self._game.is_episode_finished()
        if not dead and not self.blind:
            self._state = self._game.get_state()
        return self._observe(), 1.0, dead, not dead and self._steps == STEPS, {}

    def _observe(self) -> dict[str, np.ndarray]:
        if self.blind:
            return {"image": np.zeros((SIZE, SIZE, 3), np.uint8)}
        picture = self._image.fromarray(self._state.screen_buffer)
        return {"image": np.array(picture.resize((SIZE, SIZE), self._image.Resampling.BILINEAR))}

    def frame(self) -> np.ndarray:
        return self._state.screen_buffer.copy()

    def fingerprint(self) -> bytes:
        # without their numbers, which count when each was first reported: a blind replay reports few
        things = [
            (thing.name, thing.position_x, thing.position_y, thing.position_z, thing.angle)
            + (thing.velocity_x, thing.velocity_y, thing.velocity_z)
            for thing in self._state.objects
        ]
        return hashlib.sha256(repr((things, self._state.game_variables, self._steps)).encode()).digest()

    def close(self) -> None:
        self._game.close()


def _start(game: Any, engine: Path) -> None:
    """Start the game's process so that it leaves nothing behind, not even where this process is killed.

    Left to itself it litters the working directory, dies of the Ctrl-C that is meant for the run, and outlives a killed
    parent together with their shared memory. So it starts in a folder that is gone at once, in a session of its own,
    with the kernel's order to die with its parent; and the memory, which both hold open by then, loses its name.
    """
    with tempfile.TemporaryDirectory() as folder:
        starter = Path(folder, "start")
        command = f'exec setsid setpriv --pdeathsig KILL {shlex.quote(str(engine))} "$@"'
        starter.write_text(f"#!/bin/sh\ncd {shlex.quote(folder)} && {command}\n")
        starter.chmod(0o700)
        game.set_vizdoom_path(str(starter))
        game.set_doom_config_path(os.devnull)
        game.init()
    mapped = {
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/dev/shm/ViZDoom" in line
    }
    for name in mapped:
        Path(name).unlink(missing_ok=True)
