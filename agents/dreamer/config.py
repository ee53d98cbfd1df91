"""Configuration of DreamerV3. Values are the official HEAD's unless a comment says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.agents.api import AgentConfig, Collection


@dataclass(frozen=True)
class DreamerConfig(AgentConfig):
    collection: Collection = field(default_factory=lambda: Collection(envs=16))
    objective: str = "reconstruction"  # what states learn from beside reward and KL: also "infonce", "none"
    generation: str = "v2"  # protocol settings per task: "v2" (arXiv 2301.04104v2) or "nature" (Nature 2025)

    units: int = 256  # width d of every hidden layer (12M); the next three follow from it: variants.size
    deter: int = 2048  # size D of the recurrent state: 8d
    classes: int = 16  # C per latent: d/16
    depth: int = 16  # base channels of the convolutions: d/16
    latents: int = 32  # categorical variables Z
    blocks: int = 8  # of the recurrent state
    bins: int = 255  # of the reward's and the value's two-hot distribution

    batch: int = 16  # windows B per update
    length: int = 64  # steps T per window, and one more before them as context
    train_ratio: float = 512.0  # replayed steps per agent step: updates per agent step = train_ratio / (B T)
    replay: int = 5_000_000  # rows

    imagination: int = 15  # decisions H
    starts: int = 0  # last steps K of every window from which dreams set out; 0: all T (the code's imag_last)
    horizon: float = 333.0  # decisions: the discount is 1 - 1/333
    lambda_: float = 0.95  # of the returns, imagined and replayed
    unimix: float = 0.01  # uniform share of every latent's distribution
    actor_unimix: float = 0.0  # of a discrete policy: 0.01 in both papers, without effect at HEAD
    free_nats: float = 1.0  # per step and KL term
    rec_scale: float = 1.0  # of the reconstruction
    dyn_scale: float = 1.0
    rep_scale: float = 0.1
    replay_value_scale: float = 0.3
    entropy_scale: float = 3e-4
    return_rate: float = 0.01  # per update: how far the return percentiles P5 and P95 move
    slow_rate: float = 0.02  # per update: how far the slow critic moves

    learning_rate: float = 4e-5  # LaProp, after the warm-up
    warmup: int = 1000  # updates over which the learning rate rises from 0
    agc: float = 0.3  # largest norm of a gradient, relative to its parameter's
