"""V2's GRU, and all that is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import ELU

from bench.agents.common.rssm.agent import Networks
from bench.agents.common.rssm.dense import Scalar
from bench.agents.common.rssm.images import Decoder, Encoder
from bench.agents.common.rssm.model import RSSM
from bench.agents.common.rssm.reconstruction import Reconstruction
from bench.agents.dreamer_v2.actor import OneHot, TruncatedNormal
from bench.agents.dreamer_v2.latents import CategoricalLatents

if TYPE_CHECKING:
    from bench.agents.dreamer_v2.agent import DreamerV2


class NormedGRU(nn.Module):
    """One linear layer on [x, h] with a LayerNorm over all three gates; the update gate starts out mostly shut."""

    def __init__(self, inputs: int, deter: int):
        super().__init__()
        self.gates, self.norm = nn.Linear(inputs + deter, 3 * deter), nn.LayerNorm(3 * deter, eps=1e-3)

    def forward(self, x: Tensor, deter: Tensor) -> Tensor:
        """h' [B, D]."""
        reset, candidate, update = self.norm(self.gates(torch.cat([x, deter], dim=-1))).chunk(3, dim=-1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        return torch.lerp(deter, candidate, torch.sigmoid(update - 1))


class DreamerV2Networks(Networks):
    def __init__(self, agent: DreamerV2):
        super().__init__()
        config, task = agent.config, agent.task
        latents = CategoricalLatents(config.latents, config.classes)
        features, units = config.deter + latents.size, config.units
        self.encoder = Encoder(task.observation, config.depth, units, ELU)
        cell, tokens = NormedGRU(config.hidden, config.deter), self.encoder.size
        self.rssm = RSSM(latents, cell, config.deter, config.hidden, agent.size, tokens, ELU)
        self.representation = Reconstruction(Decoder(features, task.observation, config.depth, units, ELU))
        self.reward = Scalar(features, units, 4, ELU)
        self.going_on = Scalar(features, units, 4, ELU) if task.terminates else None
        self.actor = (OneHot if agent.discrete else TruncatedNormal)(features, units, agent.size)
        self.value = Scalar(features, units, 4, ELU)
        self.target = Scalar(features, units, 4, ELU).requires_grad_(False)  # a copy from the first update on
