"""The contract between an agent and the suite: every family is written against this file and nothing else.

numpy and gymnasium.spaces only, never torch: at the runner's border everything is numpy, inside an agent everything
may be torch, and the agent moves the data. A third party's agent needs `Agent`, `Policy` and an `AgentSpec`; what has a
default here may stay as it is. `bench check AGENT` tests all of it on any agent.

One decision in each of E environments is one *vector step*. `step.action` is what was chosen on seeing
`step.observation`; reward, flags and `next_observation` are what followed. At an end `next_observation` is the old
episode's last observation, and the reset's observation opens the next step with `first` set. Resets cost no step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium import spaces

Mode = Literal["explore", "evaluate", "react"]  # react: the bare policy where a planner exists
Scale = Literal["paper", "small", "tiny"]
Observation = dict[str, np.ndarray]  # the keys of Task.observation, each with leading axis E
State = dict[str, Any]  # nested dict/list/tuple of arrays, tensors, numbers, strings, None


class Diverged(RuntimeError):
    """Raised by an agent (or the runner) when training left the finite numbers. The run ends as `diverged`."""


@dataclass(frozen=True)
class Task:
    """All an agent may know of its task.

    observation: "image" uint8 [H, W, C] and/or float32 vectors [D]. action: Box [-1, 1]^A float32, or Discrete(n).
    action_repeat: simulator frames per decision. episode_steps: the time limit in decisions, None where there is none.
    terminates: False where only time limits end an episode.
    """

    id: str
    observation: spaces.Dict
    action: spaces.Box | spaces.Discrete
    action_repeat: int
    episode_steps: int | None
    terminates: bool


@dataclass(frozen=True)
class Collection:
    """How training experience is gathered: implemented by the environments, part of the identity, never used in
    evaluation."""

    envs: int = 1  # environments stepped together, E
    backend: str = "gymnasium"  # "gymnasium" | "envpool"
    life_loss_ends: bool = False  # a lost life terminates the training episode (the game goes on in the next one)
    frame_sign_reward: bool = False  # the agent's reward is the sum over raw frames of each frame's sign
    max_frames: int | None = None  # training episodes are truncated after so many frames


@dataclass(frozen=True)
class AgentConfig:
    """Base of every agent's configuration: frozen, torch-free, every field a plain value with a comment (unit, source).

    No field may depend on the budget: a run extended from N to 2N frames equals a run of 2N.
    """

    collection: Collection = field(default_factory=Collection)


class Step(NamedTuple):
    """One decision in each of E environments."""

    observation: Observation  # each [E, ...]: what the action was chosen on
    action: np.ndarray  # float32 [E, A] or int64 [E]
    reward: np.ndarray  # float32 [E]: what followed
    next_observation: Observation  # each [E, ...]: at an end, the old episode's last observation
    first: np.ndarray  # bool [E]: `observation` came from a reset
    terminated: np.ndarray  # bool [E]: the environment ended the episode: no bootstrap
    truncated: np.ndarray  # bool [E]: a time limit ended it: bootstrap
    episode: np.ndarray  # int64 [E]: the episode's number in this run, from 0
    extras: Any  # what `Policy.act` returned beside the action, untouched


class Policy(ABC):
    """Acts in a fixed number of environments. Owns its recurrent state, warm start and random generator; reads the
    agent's weights as they are at each call."""

    @abstractmethod
    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        """Actions for E environments, and extras that come back in `Step.extras`. Rows where `first` [E] is true start
        afresh.

        Returns float32 [E, A] within [-1, 1] for a Box, int64 [E] for a Discrete space.
        """

    @abstractmethod
    def state_dict(self) -> State:
        """Everything `act` depends on beside the agent's weights, generators included."""

    @abstractmethod
    def load_state_dict(self, state: State) -> None:
        """Take up exactly where `state_dict` was called."""


class Replay(ABC):
    """What of an agent's experience is kept on disk: append-only files under the run's `replay/` folder."""

    @abstractmethod
    def flush(self, folder: Path) -> State:
        """Append what is new to the files under `folder`, to the disk itself, and return what `restore` needs (JSON
        values)."""

    @abstractmethod
    def restore(self, folder: Path, manifest: State) -> None:
        """Cut the files under `folder` to what `flush` returned as `manifest`, and read them. ValueError where they
        are too short."""

    @abstractmethod
    def prune(self, folder: Path, manifests: Sequence[State]) -> None:
        """Remove what none of `manifests` needs: those of all checkpoints that are kept, the newest flush included."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes held in memory."""


class Agent(ABC):
    """One learner of one run. Built as `cls(config, task, seed, device)`; device is "cpu" or "cuda:N"."""

    replay: Replay | None = None
    world_model: WorldModel | None = None
    updates: int = 0  # optimiser steps of the agent's main model so far
    precision: str = "float32"  # of an update's products; the run records it
    capture: Any = None  # agents/common/capture.py's Capture, of an agent with CUDA graphs; the run records its text

    def __init__(self, config: Any, task: Task, seed: int, device: str):
        self.config, self.task, self.seed, self.device = config, task, seed, device

    @property
    def collection(self) -> Collection:
        return self.config.collection

    @abstractmethod
    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        """A fresh policy for `envs` environments. `seed` alone decides its randomness, so evaluation never disturbs
        training."""

    def episode_seed(self, episode: int) -> int:
        """The seed of this run's `episode`-th training episode; below 2**31."""
        return int(np.random.SeedSequence([self.seed, episode]).generate_state(1)[0] >> 1)

    @abstractmethod
    def observe(self, step: Step) -> np.ndarray | None:
        """Take in one vector step; may return a bool mask [E] of episodes to end here (they count as cut)."""

    @abstractmethod
    def learn(self) -> bool:
        """Do one unit of owed work; False, and nothing changed, when nothing was owed.

        Units are fixed by counts, never by the clock: an optimiser step (a few where one is under 5 ms), a chunk of an
        epoch, a part of a dreamt generation. The runner may stop, evaluate or checkpoint between any two.
        """

    def finish(self) -> None:
        """The budget is spent: what is still owed becomes owed to `learn`. Owing nothing, it changes nothing."""
        return

    def done(self) -> bool:
        """The method has ended by itself before the budget did."""
        return False

    def progress(self) -> tuple[str, float | None]:
        """The stage's name (docs/steps.md) and the fraction of it that is done, None where frames tell."""
        return "train", None

    def metrics(self) -> dict[str, float]:
        """Means since the last call. The only call that may wait for the device. What it accumulates is in
        `state_dict`."""
        return {}

    def media(self) -> dict[str, np.ndarray]:
        """Named videos, each uint8 [T, H, W, 3]. Changes nothing."""
        return {}

    @abstractmethod
    def state_dict(self) -> State:
        """All but replay: weights, targets, optimisers, schedules, normalisers, generators, metric accumulators."""

    @abstractmethod
    def load_state_dict(self, state: State) -> None:
        """Take up exactly where `state_dict` was called (replay is restored before this)."""


class Cost(NamedTuple):
    """What a run of a config needs, for the forecast where nothing was measured yet."""

    flops: float  # per agent step, the updates it owes included
    memory: int  # bytes of the process without its replay
    replay: int = 0  # bytes per stored agent step, in memory and on disk
    capacity: int = 0  # agent steps that the replay holds at most
    mapped: bool = False  # the replay is read from the disk, not held in memory


def _supports_all(task: Task, config: Any) -> str | None:
    return None


@dataclass(frozen=True)
class AgentSpec:
    """What an entry point of group `bench.agents` names. Importing it must not import torch.

    cls: "module:Class" of the Agent. configure(task, scale, variant) gives the resolved config, `variant` being a diff
    {field: value}, dotted for nested fields. variants: named diffs, or another agent's label
    where that is what the name means. supports(task, config): None, or the reason why not.
    """

    name: str
    summary: str
    cls: str
    configure: Callable[[Task, Scale, Mapping[str, Any]], AgentConfig]
    supports: Callable[[Task, Any], str | None] = _supports_all
    variants: Mapping[str, Mapping[str, Any] | str] = field(default_factory=dict)
    cost: Callable[[Task, Any], Cost] | None = None
    source: str = ""  # the paper


class ModelSpec(NamedTuple):
    """What a world model can predict; what a published model lacks is False and shown as such."""

    reward: bool
    continuation: bool
    decodes: tuple[str, ...]  # observation keys it reconstructs
    stochastic: bool
    feature_size: int  # D
    trained_horizon: int  # decisions


class Dream(NamedTuple):
    """A batch of B imagined futures of H decisions; `None` for what the model does not predict."""

    reward: Any  # [B, H]: of action k
    continuation: Any  # [B, H]: probability of going on after action k
    feature: Any  # [B, H, D]: after action k
    observation: Any  # {key: [B, H, ...]}: after action k
    state: Any  # after the last action: `imagine` goes on from here


class WorldModel(ABC):
    """The face by which world models are compared. imagine(h1 + h2) equals imagine(h2) after imagine(h1) for
    sample=False."""

    predicts: ModelSpec

    @abstractmethod
    def encode(self, observation: Any, action: Any, first: Any) -> Any:
        """The state after C observations {key: [B, C, ...]}, the actions between them [B, C-1, ...] and flags [B, C].
        A tree of tensors, batch first."""

    @abstractmethod
    def imagine(self, state: Any, action: Any, generator: Any, sample: bool = True) -> Dream:
        """Dream on under the actions [B, H, ...]; `generator` (the device's) is the only source of chance."""
