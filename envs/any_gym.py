"""Any registered Gymnasium environment as a task: `gym:ID`, the protocol `gym` version 1."""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from bench.envs.base import TaskEnv, Transition, UnknownTask, observed


class UnsupportedSpace(ValueError):
    """The environment's observations or actions have no translation; the message says which."""


def protocol(name: str) -> dict[str, Any]:
    spec = find(name)
    return {
        "name": "gym",
        "version": 1,
        "id": name,
        "action_repeat": 1,
        "actions": "Box: u in [-1, 1] mapped linearly to the bounds; Discrete: counted from 0",
        "reward": "the environment's",
        "observation": "uint8 pictures as they are; all else flattened (Discrete one-hot) to one float32 vector",
        "start": "reset(seed=episode seed)",
        "terminated": "the environment's",
        "truncated": f"after {spec.max_episode_steps} steps" if spec.max_episode_steps else "the environment's",
        "score": "sum of rewards over one episode",
    }


def find(name: str) -> gymnasium.envs.registration.EnvSpec:
    """The registered environment. UnknownTask with Gymnasium's own suggestion."""
    module, _, name_there = name.rpartition(":")  # "module:Id-v0": importing the module registers the environment
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name_there)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise UnknownTask(f"unknown task 'gym:{name}': {error}. List tasks with: bench list tasks") from error


def missing(name: str) -> str | None:
    try:
        GymEnv(name).close()
    except Exception as error:  # a third party's constructor: whatever it raises is the reason
        return f"gym:{name} cannot be used: {error}"
    return None


class GymEnv(TaskEnv):
    """Deterministic as far as the environment is a function of reset(seed=...) and its actions, as Gymnasium asks."""

    action_repeat, terminates = 1, True

    def __init__(self, name: str):
        drawn: dict[str, Any] = {"render_mode": mode} if (mode := _draws(name)) else {}
        self._env = gymnasium.make(name, **drawn)
        self.episode_steps = None if self._env.spec is None else self._env.spec.max_episode_steps
        given = self._env.observation_space
        self._leaves = dict(given.spaces) if isinstance(given, spaces.Dict) else {"": given}
        pictures = [key for key, leaf in self._leaves.items() if _is_picture(leaf)]
        if len(pictures) > 1:
            raise UnsupportedSpace(
                f"it shows {len(pictures)} pictures at once ({', '.join(pictures)}); one is supported"
            )
        self._picture = pictures[0] if pictures else None
        self._vectors = [key for key in self._leaves if key != self._picture]
        self.observation_space = observed(self._shapes())
        self._last: dict[str, np.ndarray] = {}
        self.action_space = self._action_space()

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        result: dict[str, tuple[int, ...]] = {}
        if self._picture is not None:
            shape = self._leaves[self._picture].shape
            assert shape is not None
            result["image"] = (*shape[:2], shape[2] if len(shape) == 3 else 1)
        size = 0
        for key in self._vectors:
            leaf = self._leaves[key]
            if not leaf.is_np_flattenable:
                raise UnsupportedSpace(f"its observation {leaf} has no fixed size")
            size += spaces.flatdim(leaf)
        if self._vectors:
            result["vector"] = (size,)
        return result

    def _action_space(self) -> spaces.Box | spaces.Discrete:
        given = self._env.action_space
        if isinstance(given, spaces.Discrete):
            self._start = int(given.start)
            return spaces.Discrete(int(given.n))
        if isinstance(given, spaces.Box) and given.is_bounded() and np.issubdtype(given.dtype, np.floating):
            self._low, self._high = given.low.astype(np.float64), given.high.astype(np.float64)
            return spaces.Box(-1, 1, (int(np.prod(given.shape)),), np.float32)
        raise UnsupportedSpace(f"its actions {given} are neither Discrete nor a bounded Box of real numbers")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, _ = self._env.reset(seed=seed)
        return self._observe(observation), {}

    def step(self, action: Any) -> Transition:
        if isinstance(self.action_space, spaces.Discrete):
            native: Any = int(action) + self._start
        else:
            unit = (np.clip(np.asarray(action, np.float64), -1, 1).reshape(self._low.shape) + 1) / 2
            native = (self._low + unit * (self._high - self._low)).astype(self._env.action_space.dtype)
        observation, reward, terminated, truncated, _ = self._env.step(native)
        return self._observe(observation), float(reward), bool(terminated), bool(truncated and not terminated), {}

    def _observe(self, observation: Any) -> dict[str, np.ndarray]:
        leaves = observation if isinstance(self._env.observation_space, spaces.Dict) else {"": observation}
        result = {}
        if self._picture is not None:
            picture = np.array(leaves[self._picture], np.uint8)
            result["image"] = picture if picture.ndim == 3 else picture[..., None]
        if self._vectors:
            flat = [np.asarray(spaces.flatten(self._leaves[key], leaves[key])) for key in self._vectors]
            result["vector"] = np.concatenate(flat, dtype=np.float32, casting="unsafe")
        self._last = result
        return result

    def frame(self) -> np.ndarray:
        picture = self._env.render()
        return picture if isinstance(picture, np.ndarray) else super().frame()

    def fingerprint(self) -> bytes:
        """Of the last observation: of an unknown simulator nothing more can be asked."""
        return hashlib.sha256(b"".join(self._last[key].tobytes() for key in sorted(self._last))).digest()

    def close(self) -> None:
        self._env.close()


def _is_picture(leaf: spaces.Space[Any]) -> bool:
    if not isinstance(leaf, spaces.Box) or leaf.dtype != np.uint8:
        return False
    return len(leaf.shape) == 2 or (len(leaf.shape) == 3 and leaf.shape[2] in (1, 3, 4))


def _draws(name: str) -> str | None:
    entry = find(name).entry_point
    creator = gymnasium.envs.registration.load_env_creator(entry) if isinstance(entry, str) else entry
    modes = getattr(creator, "metadata", {}).get("render_modes", [])
    return "rgb_array" if "rgb_array" in modes else None
