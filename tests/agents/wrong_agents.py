"""linear_q with one promise broken each: what `bench check` must catch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.agents.api import AgentSpec, Mode, Observation, Policy, State, Step
from bench.agents.common.config import merge
from bench.agents.linear_q.agent import LinearQ, LinearQPolicy
from bench.agents.linear_q.config import LinearQConfig


class Misaligned(LinearQ):
    """Stores the action that led to the observation."""

    previous: np.ndarray | None = None

    def observe(self, step: Step) -> None:
        shifted = step if self.previous is None else step._replace(action=self.previous)
        self.previous = step.action
        super().observe(shifted)


class ForgetsGenerator(LinearQ):
    def state_dict(self) -> State:
        return {key: value for key, value in super().state_dict().items() if key != "rng"}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict({**state, "rng": self.rng.bit_generator.state})


class ForgetsReplay(LinearQ):
    """Says it has no replay and keeps one."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.kept = self.replay
        self.replay = None  # type: ignore[assignment]

    def observe(self, step: Step) -> None:
        self.kept.add(step)
        self.agent_steps += len(step.reward)

    def learn(self) -> bool:
        self.replay = self.kept
        worked = super().learn()
        self.replay = None  # type: ignore[assignment]
        return worked


class GlobalGenerator(LinearQ):
    def observe(self, step: Step) -> None:
        self.weights += np.float32(1e-3 * np.random.rand())
        super().observe(step)


class DisturbedByEvaluation(LinearQ):
    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        self.rng.random()
        return super().policy(envs, seed, mode)


class NeverStops(LinearQ):
    def learn(self) -> bool:
        super().learn()
        return True


class LearnsUnowed(LinearQ):
    def learn(self) -> bool:
        self.weights += np.float32(1e-3)
        return super().learn()


class WritesIntoSteps(LinearQ):
    def observe(self, step: Step) -> None:
        super().observe(step)
        step.reward[:] = 0


class CountsStates(LinearQ):
    def state_dict(self) -> State:
        self.error[1] += 1
        return super().state_dict()


class InfiniteMetric(LinearQ):
    def metrics(self) -> dict[str, float]:
        return {"error": float("inf")}


class FloatMedia(LinearQ):
    def media(self) -> dict[str, np.ndarray]:
        return {"dream": np.zeros((4, 8, 8, 3))}


class Unsaveable(LinearQ):
    def state_dict(self) -> State:
        return {**super().state_dict(), "generator": self.rng}


class DoublePolicy(LinearQPolicy):
    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        action, extras = super().act(observation, first)
        return action.astype(np.float64), extras


class DoubleActions(LinearQ):
    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return DoublePolicy(self, seed, mode)


class RemembersPolicy(LinearQPolicy):
    """A recurrent state that `first` does not reset."""

    trace = 0.0

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        self.trace += sum(float(value.sum()) for value in observation.values())
        action, extras = super().act(observation, first)
        return (action * np.float32(np.cos(self.trace)) if action.dtype == np.float32 else action), extras

    def state_dict(self) -> State:
        return {**super().state_dict(), "trace": self.trace}


class Remembers(LinearQ):
    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return RemembersPolicy(self, seed, mode)


@dataclass(frozen=True)
class BudgetConfig(LinearQConfig):
    total_frames: int = 100


def _spec(cls: type, config: type[LinearQConfig] = LinearQConfig) -> AgentSpec:
    return AgentSpec(
        name=cls.__name__,
        summary=cls.__doc__ or "",
        cls=f"{__name__}:{cls.__name__}",
        configure=lambda task, scale, variant: replace(merge(config, variant), warmup=20, epsilon_steps=10_000),
        supports=lambda task, config: "vectors and a Box only" if task.id != "counter/vector-box" else None,
    )


PROMISES = {
    Misaligned: "replay is aligned",
    ForgetsGenerator: "resumed equals uninterrupted",
    ForgetsReplay: "resumed equals uninterrupted",
    GlobalGenerator: "the same seed does the same",
    DisturbedByEvaluation: "evaluation disturbs nothing",
    NeverStops: "learn stops and then changes nothing",
    LearnsUnowed: "learn stops and then changes nothing",
    WritesIntoSteps: "observe leaves its step alone",
    CountsStates: "metrics are finite and states read only",
    InfiniteMetric: "metrics are finite and states read only",
    FloatMedia: "media are videos",
    Unsaveable: "resumed equals uninterrupted",
    DoubleActions: "actions fit the space",
    Remembers: "rows that are first start afresh",
}
globals().update({f"spec_{cls.__name__}": _spec(cls) for cls in PROMISES})
spec_BudgetConfig = replace(_spec(LinearQ, BudgetConfig), name="BudgetConfig")
