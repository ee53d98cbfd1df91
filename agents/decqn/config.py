"""Configuration of DecQN. [S]: taken for Seyde et al. 2023's, from memory, not checked against its text or code."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig


@dataclass(frozen=True)
class DecQNConfig(AgentConfig):
    bins: int = 3  # choices per dimension of a Box action: -1, 0, 1 [S]
    hidden: tuple[int, ...] = (512, 512)  # SiLU units per layer of the value network [S: 2 layers]
    channels: tuple[int, ...] = (
        32,
        64,
        64,
    )  # of the convolutions (8x8/4, 4x4/2, 3x3/1) where there are images [Mnih 2015]
    learning_rate: float = 1e-4  # Adam [S]
    batch: int = 256  # windows per update [S]
    discount: float = 0.99  # per agent step [S]; less in short episodes: spec.py
    n_step: int = 3  # decisions per target [S]
    steps_per_update: int = 1  # agent steps collected per update
    target_rate: float = 0.01  # per update: how far the target network moves to the online one
    clip: float = 40.0  # largest global norm of the gradient [S]
    double: bool = True  # the online network chooses the next action, the target network rates it [S]
    warmup: int = 1000  # agent steps before the first update [S]
    replay: int = 1_000_000  # rows [S]
    epsilon_start: float = 1.0  # probability of a random action at the first step
    epsilon_end: float = 0.1  # and from `epsilon_steps` on [S]
    epsilon_steps: int = 10_000  # agent steps
