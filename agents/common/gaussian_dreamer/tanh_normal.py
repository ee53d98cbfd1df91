"""DreamerV1's policy: a normal whose samples pass through tanh."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import ELU, functional

from bench.agents.common.rssm.dense import mlp
from bench.agents.common.rssm.imagination import Actor
from bench.agents.common.rssm.normal import normal_logprob

SCALE = 5.0  # means before tanh lie within it
FIRST = 5.0  # deviation at outputs of zero: first actions lie near -1 and 1
LEAST = 1e-4
EDGE = 0.99999997  # the largest action that atanh takes, rounded down in float32
TRIES = 100  # samples, the likeliest of which is the mode


class TanhNormal(Actor):
    """Continuous actions in [-1, 1]^A."""

    def __init__(self, inputs: int, units: int, actions: int):
        super().__init__()
        self.size = actions
        self.layers = mlp(inputs, units, 4, 2 * actions, ELU)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation before tanh, each [..., A]."""
        mean, deviation = self.layers(feature).chunk(2, dim=-1)
        mean = SCALE * torch.tanh(mean / SCALE)
        return mean, functional.softplus(deviation + math.log(math.expm1(FIRST))) + LEAST

    def noise(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.randn(*shape, self.size, generator=generator, device=generator.device)

    def sample(self, policy: tuple[Tensor, Tensor], noise: Tensor) -> Tensor:
        mean, deviation = policy
        return torch.tanh(torch.addcmul(mean, deviation, noise))

    def logprob(self, policy: tuple[Tensor, Tensor], action: Tensor) -> Tensor:
        """Nats [...] of actions [..., A]; finite at -1 and 1."""
        before = torch.atanh(action.clamp(-EDGE, EDGE))
        squeezed = 2 * (math.log(2) - before - functional.softplus(-2 * before))  # ln of tanh's slope
        return (normal_logprob(before, *policy) - squeezed).sum(-1)

    def mode(self, policy: tuple[Tensor, Tensor], generator: Generator) -> Tensor:
        shape = policy[0].shape[:-1]
        tries = self.sample(policy, self.noise((TRIES, *shape), generator))
        best = self.logprob(policy, tries).argmax(0)
        return tries.gather(0, best[None, ..., None].expand(1, *shape, self.size))[0]
