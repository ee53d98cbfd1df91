"""Configuration of linear_q. The values are the suite's own: there is no paper to follow."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig


@dataclass(frozen=True)
class LinearQConfig(AgentConfig):
    features: int = 256  # random Fourier features
    bandwidth: float = 1.0  # length scale of the kernel they stand for, in units of the observation
    bins: int = 3  # choices per dimension of a Box action
    learning_rate: float = 0.3  # of normalised least mean squares: 1 removes a sample's whole error
    discount: float = 0.97  # per agent step
    n_step: int = 5  # decisions per target
    batch: int = 8  # windows per update
    warmup: int = 200  # agent steps before the first update
    replay: int = 100_000  # rows
    epsilon_start: float = 1.0  # probability of a random action at the first step
    epsilon_end: float = 0.1  # and from `epsilon_steps` on
    epsilon_steps: int = 2000  # agent steps
