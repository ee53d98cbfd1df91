"""Configuration of PlaNet. [C]: the value of the authors' released code (google-research/planet at c04226b)."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig


@dataclass(frozen=True)
class PlaNetConfig(AgentConfig):
    stoch: int = 30  # size of the Gaussian latent z [C]
    deter: int = 200  # size of the recurrent state h [C]
    hidden: int = 200  # units around it [C]
    depth: int = 32  # channels of the first convolution [C]
    units: int = 300  # of every hidden layer of the reward head [C], and of vectors' encoder and decoder

    batch: int = 50  # sequences B per update [C]
    length: int = 50  # steps T per sequence [C]
    replay: int = 1_000_000  # rows
    random_episodes: int = 5  # before the first update [C]
    train_every: int = 1  # finished episodes between bursts of updates [C]
    train_steps: int = 100  # updates per burst [C]

    free_nats: float = 3.0  # per step: only what the KL exceeds them by is trained on [C]
    kl_scale: float = 1.0  # weight of the KL [C]
    reward_scale: float = 10.0  # weight of the reward's likelihood [C]
    continue_scale: float = 1.0  # weight of the head of going on, where episodes end by themselves (an extension)
    discount: float = 1.0  # of that head's target: it predicts bare probabilities
    noise: float = 0.3  # deviation of what exploring adds to actions [C]

    imagination: int = 12  # decisions of a plan [C]
    candidates: int = 1000  # J per refit [C]
    elites: int = 100  # K of them, that the Gaussian is refitted to [C]
    iterations: int = 10  # refits [C]

    model_rate: float = 1e-3  # Adam [C]
    eps: float = 1e-4  # Adam's [C]
    clip: float = 1000.0  # largest global norm of the gradient [C]
