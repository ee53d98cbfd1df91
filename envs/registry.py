"""Every task by its id: what it is, how it is scored, and its environment. Starts no simulator before `make` does."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.agents.api import Collection, Task
from bench.envs import any_gym, atari, carracing, carracing_pool, dmc, takecover, toy_pixels, toys
from bench.envs.base import TaskEnv, UnknownTask, observed

_SHIPPED = Path(__file__).with_name("spaces.json")  # tests/envs/test_registry.py compares it with the simulators
_ALIASES = {"atari/james_bond": "atari/jamesbond"}
_DOMAINS = {"cup": "ball_in_cup"}  # short names of the control suite in papers
_GYM = "gym:"


@dataclass(frozen=True)
class _Backend:
    """Another simulator of the same protocol, for training only."""

    make: Callable[[], TaskEnv]
    missing: Callable[[], str | None]


@dataclass(frozen=True)
class _Family:
    """What the tasks of one protocol share. Functions take the simulator's own name of the task."""

    protocol: Callable[[str], dict[str, Any]]
    make: Callable[[str, Collection | None], TaskEnv]
    missing: Callable[[str], str | None]
    options: frozenset[str] = frozenset()  # of Collection, that it implements
    backends: Mapping[str, _Backend] = field(default_factory=dict)  # beside "gymnasium"


_TOYS: dict[str, type[TaskEnv]] = {
    "reach": toys.Reach,
    "maze": toys.Maze,
    "pixel-reach": toy_pixels.PixelReach,
    "pixel-catch": toy_pixels.PixelCatch,
}
_FAMILIES = {
    "atari": _Family(
        atari.protocol,
        atari.AtariEnv,
        atari.missing,
        frozenset({"life_loss_ends", "frame_sign_reward", "max_frames"}),
    ),
    "dmc-state": _Family(
        lambda name: dmc.protocol(name, vision=False),
        lambda name, _: dmc.ControlEnv(name, vision=False),
        lambda _: dmc.missing(vision=False),
    ),
    "dmc-vision": _Family(
        lambda name: dmc.protocol(name, vision=True),
        lambda name, _: dmc.ControlEnv(name, vision=True),
        lambda _: dmc.missing(vision=True),
    ),
    "carracing": _Family(
        lambda _: carracing.protocol(),
        lambda *_: carracing.RacingEnv(),
        lambda _: carracing.missing(),
        backends={"envpool": _Backend(carracing_pool.PooledRacingEnv, carracing_pool.missing)},
    ),
    "takecover": _Family(
        lambda _: takecover.protocol(), lambda *_: takecover.CoverEnv(), lambda _: takecover.missing()
    ),
    "toy": _Family(toys.protocol, lambda name, _: _TOYS[name](), lambda _: None),
    "gym": _Family(any_gym.protocol, lambda name, _: any_gym.GymEnv(name), any_gym.missing),
}


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, Any]] = json.loads(_SHIPPED.read_text())
    return document


def known() -> list[str]:
    """Every shipped task id. Beyond these there are the emulator's other games (`atari/NAME`) and `gym:ID`."""
    return sorted(_shipped())


def resolve(name: str, among: Sequence[str] | None = None) -> str:
    """The task id that `name` means: an id, a bare name ("pong", unique among `among` or the shipped tasks), "gym:ID".

    UnknownTask names the nearest ones. Spelling is forgiven: "Ball-in-Cup-Catch", "dmc-state/cup_catch".
    """
    if name.startswith(_GYM):
        any_gym.find(name.removeprefix(_GYM))
        return name
    candidates = known() if among is None else list(among)
    if name in candidates:
        return name
    spelled = _spelled(name)
    found = [task for task in candidates if spelled in (task, task.partition("/")[2].replace("-", "_"))]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownTask(f"{name!r} may be {' or '.join(found)}: write the whole name")
    prefix, _, game = spelled.partition("/")
    if prefix == "atari" and among is None and game and atari.exists(game):
        return spelled
    names = {task.partition("/")[2]: task for task in candidates} | {task: task for task in candidates}
    near = dict.fromkeys(names[key] for key in difflib.get_close_matches(spelled, names, 5, 0.6))
    hint = f" Did you mean {' or '.join(repr(task) for task in list(near)[:3])}?" if near else ""
    where = "" if among is None else " in this suite"
    raise UnknownTask(f"unknown task {name!r}{where}.{hint} List them with: bench list tasks")


def _spelled(name: str) -> str:
    """One spelling: the protocol as it is, the rest in snake_case."""
    prefix, slash, rest = name.lower().rpartition("/")
    rest = rest.replace("-", "_") if prefix != "toy" else rest
    for short, long in _DOMAINS.items():
        if rest.startswith(f"{short}_"):
            rest = long + rest.removeprefix(short)
    spelled = prefix + slash + rest
    return _ALIASES.get(spelled) or _ALIASES.get(f"atari/{spelled}", spelled)


def _find(task_id: str) -> tuple[_Family, str]:
    """Family and the simulator's own name. UnknownTask."""
    if task_id.startswith(_GYM):
        return _FAMILIES["gym"], task_id.removeprefix(_GYM)
    if task_id in _shipped():
        prefix, _, name = task_id.partition("/")
        return _FAMILIES[prefix], _shipped()[task_id].get("native", name)
    prefix, _, name = resolve(task_id).partition("/")
    return _FAMILIES[prefix], name


def task(task_id: str) -> Task:
    """What an agent may know. Shipped tasks are read from a file; any other is asked of its simulator."""
    if task_id in _shipped():
        return _read(task_id, _shipped()[task_id])
    env = make(task_id)
    try:
        return _read(task_id, describe(env))
    finally:
        env.close()


def describe(env: TaskEnv) -> dict[str, Any]:
    """An environment's face as JSON: {"observation": {key: shape}, "action": n or [A], ...}."""
    assert isinstance(env.observation_space, spaces.Dict)
    action = env.action_space
    return {
        "observation": {
            key: list(space.shape) for key, space in env.observation_space.items() if space.shape is not None
        },
        "action": int(action.n) if isinstance(action, spaces.Discrete) else list(action.shape or ()),
        "action_repeat": env.action_repeat,
        "episode_steps": env.episode_steps,
        "terminates": env.terminates,
    }


def _read(task_id: str, face: Mapping[str, Any]) -> Task:
    action = face["action"]
    return Task(
        id=task_id,
        observation=observed(face["observation"]),
        action=spaces.Discrete(action) if isinstance(action, int) else spaces.Box(-1, 1, tuple(action), np.float32),
        action_repeat=face["action_repeat"],
        episode_steps=face["episode_steps"],
        terminates=face["terminates"],
    )


def protocol(task_id: str) -> dict[str, Any]:
    """Every setting that defines an episode and its score, as JSON values, "name" and "version" among them."""
    family, name = _find(task_id)
    return family.protocol(name)


def missing(task_id: str, collection: Collection | None = None) -> str | None:
    """Why the task cannot be played here under these training options, in a sentence with the line that installs what
    it needs; None where it can."""
    family, name = _find(task_id)
    collection = collection or Collection()
    reason = _refused(task_id, family, collection) or family.missing(name)
    if reason is None and (backend := family.backends.get(collection.backend)):
        reason = backend.missing()
    return reason


def _refused(task_id: str, family: _Family, collection: Collection) -> str | None:
    if collection.backend not in ("gymnasium", *family.backends):
        return f"{task_id} has no {collection.backend!r} back end: use collection.backend=gymnasium"
    default = Collection()
    for option in fields(Collection):
        if option.name in ("envs", "backend") or getattr(collection, option.name) == getattr(default, option.name):
            continue
        if option.name not in family.options:
            return f"{task_id} does not know the training option collection.{option.name}"
    return None


def make(task_id: str, collection: Collection | None = None) -> TaskEnv:
    """The task's environment: under the true protocol where `collection` is None (evaluation), else with those training
    options. ValueError for options it does not offer, MissingExtra where the simulator is not installed."""
    family, name = _find(task_id)
    reason = _refused(task_id, family, collection or Collection())
    if reason:
        raise ValueError(reason)
    if collection and (backend := family.backends.get(collection.backend)):
        return backend.make()
    return family.make(name, collection)
