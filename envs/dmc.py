"""The DeepMind Control suite: protocols `dmc-state` and `dmc-vision` version 1.

All of dm_control.suite but its two lqr tasks, whose actions have no bounds, whose episodes have no time limit, and
whose model is drawn anew each time it is built.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.envs.base import MissingExtra, TaskEnv, Transition, observed

REPEAT = 2  # frames per decision
FRAMES = 1000  # of an episode
SIZE = 64  # pixels, of the square picture
_INSTALL = "pip install dm-control==1.0.50 'mujoco>=3.17,<4'"
_LIBRARIES = {"egl": "libEGL.so.1", "osmesa": "libOSMesa.so.8"}


def protocol(name: str, vision: bool) -> dict[str, Any]:
    domain = name.partition("/")[0]
    pixels = f"RGB {SIZE}x{SIZE}, camera {_camera(domain)}"
    leaves = "all observation leaves, flattened and concatenated in the order of the task's specification, float32"
    return {
        "name": "dmc-vision" if vision else "dmc-state",
        "version": 1,
        "task": name,
        "action_repeat": REPEAT,
        "actions": "clipped to [-1, 1], then mapped linearly to the task's bounds",
        "reward": "the task's, summed over the frames of a decision",
        "observation": pixels if vision else leaves,
        "start": "the task's initial states, drawn by one numpy RandomState(episode seed)",
        "terminated": "discount 0, which none of these tasks returns",
        "truncated": f"after {FRAMES} frames",
        "score": "sum of rewards over one episode",
    }


def missing(vision: bool) -> str | None:
    if importlib.util.find_spec("dm_control") is None:
        return f"the control suite needs dm_control: {_INSTALL}"
    return _no_renderer() if vision else None


@cache
def renderer() -> str | None:
    """MUJOCO_GL where set, else what can draw here without a display: "egl", "osmesa" or None."""
    wish = os.environ.get("MUJOCO_GL")
    if wish:
        return wish
    if _loads("egl") and _egl_devices() > 0:
        return "egl"
    return "osmesa" if _loads("osmesa") else None


def _no_renderer() -> str | None:
    found = renderer()
    if found in _LIBRARIES and not _loads(found):
        return f"MUJOCO_GL={found} needs {_LIBRARIES[found]}: {_RENDERER_HINT}"
    if found in (None, "disable", "off", "0"):
        return f"no rendering library was found for dmc-vision: {_RENDERER_HINT}"
    return None


_RENDERER_HINT = "apt-get install libegl1 libosmesa6, or set MUJOCO_GL to egl or osmesa (Debian package of either)"


def _loads(backend: str) -> bool:
    try:
        ctypes.CDLL(_LIBRARIES[backend])
    except OSError:
        return False
    return True


def _egl_devices() -> int:
    """How many devices EGL offers: the library may be there with no driver behind it."""
    library = ctypes.CDLL(_LIBRARIES["egl"])
    library.eglGetProcAddress.restype = ctypes.c_void_p
    address = library.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address:
        return 0
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    count = ctypes.c_int(0)
    return count.value if query(0, None, ctypes.byref(count)) else 0


def _camera(domain: str) -> int:
    return 2 if domain == "quadruped" else 0  # the quadruped's first cameras look at it from far away or from above


def load_suite() -> ModuleType:
    """dm_control.suite, with a renderer that works without a display: it chooses one, once, as it is imported."""
    os.environ.setdefault("MUJOCO_GL", renderer() or "disable")
    try:
        from dm_control import suite
    except ImportError as error:
        raise MissingExtra(f"the control suite cannot be imported ({error}): {_INSTALL}") from error
    module: ModuleType = suite
    return module


class ControlEnv(TaskEnv):
    """One task of dm_control.suite, named "domain/task" as the suite names them."""

    action_repeat, episode_steps, terminates = REPEAT, FRAMES // REPEAT, False

    def __init__(self, name: str, vision: bool):
        domain, _, task = name.partition("/")
        # Building a model takes no chance; the generator is replaced at every reset.
        self._env = load_suite().load(domain, task, task_kwargs={"random": 0})
        self._camera = _camera(domain)
        self._vision = vision
        bounds = self._env.action_spec()
        self._low, self._high = bounds.minimum, bounds.maximum
        self.action_space = spaces.Box(-1, 1, bounds.shape, np.float32)
        if vision:
            self.observation_space = observed({"image": (SIZE, SIZE, 3)})
        else:
            size = sum(int(np.prod(leaf.shape)) for leaf in self._env.observation_spec().values())
            self.observation_space = observed({"vector": (size,)})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self._env.task._random = np.random.RandomState(seed)
        return self._observe(self._env.reset()), {}

    def step(self, action: np.ndarray) -> Transition:
        unit = np.clip(np.asarray(action, np.float64), -1, 1)
        native = self._low + (unit + 1) / 2 * (self._high - self._low)
        reward = 0.0
        for _ in range(REPEAT):
            moment = self._env.step(native)
            reward += moment.reward
            if moment.last():
                break
        terminated = moment.last() and moment.discount == 0
        return self._observe(moment), reward, terminated, moment.last() and not terminated, {}

    def _observe(self, moment: Any) -> dict[str, np.ndarray]:
        if not self._vision:
            return {
                "vector": np.concatenate([np.ravel(leaf) for leaf in moment.observation.values()], dtype=np.float32)
            }
        if self.blind:
            return {"image": np.zeros((SIZE, SIZE, 3), np.uint8)}
        return {"image": self._env.physics.render(SIZE, SIZE, self._camera)}

    def frame(self) -> np.ndarray:
        return self._env.physics.render(240, 320, self._camera)

    def fingerprint(self) -> bytes:
        physics = self._env.physics
        return hashlib.sha256(physics.get_state().tobytes() + physics.data.qacc_warmstart.tobytes()).digest()

    def close(self) -> None:
        self._env.close()
