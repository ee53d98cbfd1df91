"""Normal distributions: log-likelihoods, and the diagonal Gaussian latents of PlaNet and DreamerV1."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from bench.agents.common.rssm.model import Latents

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def unit_normal_loss(mean: Tensor, target: Tensor) -> Tensor:
    """-ln N(target | mean, 1) in nats, elementwise."""
    return 0.5 * (target - mean).square() + HALF_LOG_2PI


def normal_logprob(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """ln N(x | mean, deviation) in nats, elementwise."""
    return -0.5 * ((x - mean) / deviation).square() - deviation.log() - HALF_LOG_2PI


class GaussianLatents(Latents):
    """A layer's outputs are means and, through softplus and above `least`, deviations."""

    def __init__(self, size: int, least: float = 0.1):
        self.size, self.outputs, self.least = size, 2 * size, least

    def moments(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation, each [..., size]."""
        mean, deviation = raw.chunk(2, dim=-1)
        return mean, functional.softplus(deviation) + self.least

    def noise(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.randn(*shape, self.size, generator=generator, device=generator.device)

    def sample(self, raw: Tensor, noise: Tensor | None) -> Tensor:
        mean, deviation = self.moments(raw)
        return mean if noise is None else torch.addcmul(mean, deviation, noise)

    def divergence(self, raw: Tensor, other: Tensor) -> Tensor:
        mean, deviation = self.moments(raw)
        mean_other, deviation_other = self.moments(other)
        ratio, distance = deviation / deviation_other, (mean - mean_other) / deviation_other
        return (0.5 * (ratio.square() + distance.square() - 1) - ratio.log()).sum(-1)
