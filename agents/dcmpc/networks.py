"""DC-MPC's networks, by the paper's symbols: encoder e, dynamics d, reward R, critics q, actor pi."""

from __future__ import annotations

import torch
from gymnasium.spaces import flatdim
from torch import Tensor, nn

from bench.agents.api import Task
from bench.agents.common.layers import Ensemble, mlp
from bench.agents.dcmpc.config import DCMPCConfig
from bench.agents.dcmpc.latents import latents


class Networks(nn.Module):
    """All that is learnt. Every network ends in a plain linear layer."""

    def __init__(self, config: DCMPCConfig, task: Task):
        super().__init__()
        spaces = task.observation.spaces
        self.keys = sorted(spaces)
        self.bound = config.reward_bound
        self.latents = latents(config)
        size, actions, hidden = self.latents.size, flatdim(task.action), (config.width,) * 2
        inputs = sum(flatdim(space) for space in spaces.values())
        self.encoder = mlp(inputs, (config.encoder_width,), nn.Linear(config.encoder_width, size))
        self.dynamics = mlp(size + actions, hidden, nn.Linear(config.width, self.latents.outputs))
        self.reward = mlp(size + actions, hidden, nn.Linear(config.width, 1))
        self.actor = mlp(size, hidden, nn.Linear(config.width, actions))
        self.critics = initialised(Ensemble(size + actions, config.width, 1, config.members))

    def encode(self, observation: dict[str, Tensor]) -> Tensor:
        """c [..., D] of vectors [..., size]."""
        return self.latents.encoded(self.encoder(torch.cat([observation[key] for key in self.keys], dim=-1)))

    def rewards(self, both: Tensor) -> Tensor:
        """R [...] of latents and actions [..., D + A]."""
        value = self.reward(both)[..., 0]
        return (torch.tanh(value) + 1) * (self.bound / 2) if self.bound else value

    def model(self) -> list[nn.Parameter]:
        """The parameters of encoder, dynamics and reward."""
        return [p for module in (self.encoder, self.dynamics, self.reward) for p in module.parameters()]


def initialised(ensemble: Ensemble) -> Ensemble:
    """Every layer as torch initialises nn.Linear: weights and biases uniform within 1 / sqrt(inputs)."""
    for layer in (ensemble.first, ensemble.second, ensemble.last):
        limit = layer.weight.shape[1] ** -0.5
        nn.init.uniform_(layer.weight, -limit, limit)
        nn.init.uniform_(layer.bias, -limit, limit)
    return ensemble
