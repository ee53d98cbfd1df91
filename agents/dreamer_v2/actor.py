"""V2's policies: a categorical distribution, or a normal truncated to [-1, 1]."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import ELU

from bench.agents.common.categorical import draw, entropy, one_hot, straight_through
from bench.agents.common.rssm.dense import mlp
from bench.agents.common.rssm.imagination import Actor
from bench.agents.common.rssm.normal import HALF_LOG_2PI, normal_logprob

LAYERS = 4  # hidden
LEAST = 0.1  # deviation of a continuous action
EDGE = 1e-6  # samples keep this far from -1 and 1, and uniform noise from 0 and 1


class ScoredActor(Actor):
    """A policy that REINFORCE can train."""

    @abstractmethod
    def logprob(self, policy: Any, action: Tensor) -> Tensor:
        """Nats [...] of actions [..., A]."""

    @abstractmethod
    def entropy(self, policy: Any) -> Tensor:
        """Nats [...]."""


class OneHot(ScoredActor):
    """Discrete actions as one-hot vectors [..., A], sampled with straight-through gradients."""

    def __init__(self, inputs: int, units: int, actions: int):
        super().__init__()
        self.size = actions
        self.layers = mlp(inputs, units, LAYERS, actions, ELU)

    def forward(self, feature: Tensor) -> Tensor:
        """Log-probabilities [..., A]."""
        return self.layers(feature).log_softmax(-1)

    def noise(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device)

    def sample(self, policy: Tensor, noise: Tensor) -> Tensor:
        probability = policy.exp()
        return straight_through(draw(probability, noise), probability)

    def mode(self, policy: Tensor, generator: Generator) -> Tensor:
        return one_hot(policy.argmax(-1), self.size)

    def logprob(self, policy: Tensor, action: Tensor) -> Tensor:
        return (policy * action).sum(-1)

    def entropy(self, policy: Tensor) -> Tensor:
        return entropy(policy)


class TruncatedNormal(ScoredActor):
    """Continuous actions in [-1, 1]^A, sampled through the inverse of the distribution function."""

    def __init__(self, inputs: int, units: int, actions: int):
        super().__init__()
        self.size = actions
        self.layers = mlp(inputs, units, LAYERS, 2 * actions, ELU)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the normal before it is truncated, each [..., A]."""
        mean, deviation = self.layers(feature).chunk(2, dim=-1)
        return torch.tanh(mean), 2 * torch.sigmoid(deviation / 2) + LEAST

    def noise(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.rand(*shape, self.size, generator=generator, device=generator.device)

    def sample(self, policy: tuple[Tensor, Tensor], noise: Tensor) -> Tensor:
        (mean, deviation), (low, high) = policy, edges(policy)
        below = torch.special.ndtr(low)
        place = below + noise.clamp(EDGE, 1 - EDGE) * (torch.special.ndtr(high) - below)
        action = mean + deviation * torch.special.ndtri(place)
        return action + (action.clamp(EDGE - 1, 1 - EDGE) - action).detach()  # clipped, its gradient not

    def mode(self, policy: tuple[Tensor, Tensor], generator: Generator) -> Tensor:
        return policy[0]

    def logprob(self, policy: tuple[Tensor, Tensor], action: Tensor) -> Tensor:
        return (normal_logprob(action, *policy) - mass(policy).log()).sum(-1)

    def entropy(self, policy: tuple[Tensor, Tensor]) -> Tensor:
        (_, deviation), (low, high), inside = policy, edges(policy), mass(policy)
        shape = (low * _density(low) - high * _density(high)) / (2 * inside)
        return (HALF_LOG_2PI + 0.5 + (deviation * inside).log() + shape).sum(-1)


def edges(policy: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """-1 and 1 in deviations from the mean, each [..., A]."""
    mean, deviation = policy
    return (-1 - mean) / deviation, (1 - mean) / deviation


def mass(policy: tuple[Tensor, Tensor]) -> Tensor:
    """How much of the normal lies between them, [..., A]."""
    low, high = edges(policy)
    return torch.special.ndtr(high) - torch.special.ndtr(low)


def _density(x: Tensor) -> Tensor:
    return (-0.5 * x.square()).exp() / math.sqrt(2 * math.pi)
