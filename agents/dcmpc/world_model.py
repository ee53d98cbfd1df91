"""DC-MPC's model, by the face that all world models share. It predicts codes and rewards, and decodes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from bench.agents.api import Dream, ModelSpec, WorldModel

if TYPE_CHECKING:
    from bench.agents.dcmpc.agent import DCMPC


class CodeModel(WorldModel):
    def __init__(self, agent: DCMPC):
        self.networks = agent.networks
        latents = self.networks.latents
        self.predicts = ModelSpec(True, False, (), latents.stochastic, latents.size, agent.config.horizon)

    @torch.no_grad()
    def encode(self, observation: dict[str, Tensor], action: Tensor, first: Tensor) -> dict[str, Tensor]:
        """The latent of the last observation; what was seen and done before plays no part."""
        return {"z": self.networks.encode({key: value[:, -1] for key, value in observation.items()})}

    @torch.no_grad()
    def imagine(self, state: dict[str, Tensor], action: Tensor, generator: Generator, sample: bool = True) -> Dream:
        """Goes on with drawn codes, or with `sample` False with expected ones."""
        net, z = self.networks, state["z"]
        how = "sample" if sample else "expected"
        rewards: list[Tensor] = []
        features: list[Tensor] = []
        for step in action.unbind(1):
            both = torch.cat([z, step], dim=-1)
            rewards.append(net.rewards(both))
            z = net.latents.after(net.dynamics(both), how, generator)
            features.append(z)
        return Dream(torch.stack(rewards, 1), None, torch.stack(features, 1), None, {"z": z})
