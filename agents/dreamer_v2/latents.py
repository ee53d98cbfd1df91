"""V2's stochastic state: Z categorical variables of C classes, sampled with straight-through gradients."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.agents.common.categorical import draw, straight_through
from bench.agents.common.rssm.model import Latents


class CategoricalLatents(Latents):
    """Raw are logits [..., Z C]; samples are one-hot in every variable, flat, [..., Z C]."""

    def __init__(self, latents: int, classes: int):
        self.shape, self.size, self.outputs = (latents, classes), latents * classes, latents * classes

    def logprob(self, raw: Tensor) -> Tensor:
        """Nats [..., Z, C]."""
        return raw.unflatten(-1, self.shape).log_softmax(-1)

    def noise(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.rand(*shape, self.shape[0], generator=generator, device=generator.device)

    def sample(self, raw: Tensor, noise: Tensor | None) -> Tensor:
        probability = self.logprob(raw).exp()
        return straight_through(draw(probability, noise), probability).flatten(-2)

    def divergence(self, raw: Tensor, other: Tensor) -> Tensor:
        logprob = self.logprob(raw)
        return (logprob.exp() * (logprob - self.logprob(other))).sum((-2, -1))
