"""The policy: a categorical distribution, or a normal whose mean and deviation are bounded."""

from __future__ import annotations

import math

import torch
from gymnasium import spaces
from torch import Tensor, nn

from bench.agents.api import Task
from bench.agents.common.categorical import draw, entropy, log_unimix, one_hot
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.layers import Linear, mlp

LOWEST, HIGHEST = 0.1, 1.0  # deviation of a continuous action
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def action_size(task: Task) -> int:
    return int(task.action.n) if isinstance(task.action, spaces.Discrete) else spaces.flatdim(task.action)


class Actor(nn.Module):
    """Actions are vectors [..., A] to the model: one-hot, or unclipped samples of the normal."""

    def __init__(self, config: DreamerConfig, task: Task):
        super().__init__()
        self.discrete, self.uniform, self.size = (
            isinstance(task.action, spaces.Discrete), config.actor_unimix, action_size(task)
        )  # fmt: skip
        self.layers = mlp(config.deter + config.latents * config.classes, config.units, 3)
        names = ("logits",) if self.discrete else ("mean", "deviation")
        self.outputs = nn.ModuleDict({name: Linear(config.units, self.size, outscale=0.01) for name in names})

    def forward(self, feature: Tensor) -> dict[str, Tensor]:
        """The distribution's parameters, each [..., A] float32."""
        x = self.layers(feature)
        raw = {name: layer(x).float() for name, layer in self.outputs.items()}
        if self.discrete:
            return {"logprob": log_unimix(raw["logits"], self.uniform)}
        deviation = (HIGHEST - LOWEST) * torch.sigmoid(raw["deviation"] + 2) + LOWEST
        return {"mean": torch.tanh(raw["mean"]), "deviation": deviation}

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """What `sample` needs for `shape` actions."""
        if self.discrete:
            return torch.rand(shape, generator=generator, device=generator.device)
        return torch.randn(*shape, self.size, generator=generator, device=generator.device)

    def sample(self, policy: dict[str, Tensor], noise: Tensor) -> Tensor:
        """Actions [..., A]."""
        if self.discrete:
            return one_hot(draw(policy["logprob"].exp(), noise), self.size)
        return policy["mean"] + policy["deviation"] * noise

    def logprob(self, policy: dict[str, Tensor], action: Tensor) -> Tensor:
        """Nats [...]."""
        if self.discrete:
            return torch.where(action > 0, policy["logprob"], 0.0).sum(-1)
        standard = (action - policy["mean"]) / policy["deviation"]
        return (-0.5 * standard.square() - policy["deviation"].log() - _HALF_LOG_2PI).sum(-1)

    def entropy(self, policy: dict[str, Tensor]) -> Tensor:
        """Nats [...]."""
        if self.discrete:
            return entropy(policy["logprob"])
        return (policy["deviation"].log() + 0.5 + _HALF_LOG_2PI).sum(-1)
