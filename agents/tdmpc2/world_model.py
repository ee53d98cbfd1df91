"""TD-MPC2's model, by the face that all world models share. It predicts latents and rewards, and decodes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from bench.agents.api import Dream, ModelSpec, WorldModel

if TYPE_CHECKING:
    from bench.agents.tdmpc2.agent import TDMPC2


class LatentModel(WorldModel):
    def __init__(self, agent: TDMPC2):
        config = agent.config
        self.networks, self.images = agent.networks, config.images
        self.predicts = ModelSpec(True, config.episodic, (), False, config.latent, config.horizon)

    @torch.no_grad()
    def encode(self, observation: dict[str, Tensor], action: Tensor, first: Tensor) -> dict[str, Tensor]:
        """z of the last observation (of images, the last ones of its episode); the actions before play no part."""
        last = {key: value[:, -1] for key, value in observation.items()}
        if "image" in last:
            last["image"] = self._stacked(observation["image"], first)
        return {"z": self.networks.encoder(last)}

    def _stacked(self, images: Tensor, first: Tensor) -> Tensor:
        """The last `images` images [B, H, W, images * C] of [B, C, ...], none from before the newest `first` [B, C]."""
        length = images.shape[1]
        place = torch.arange(length, device=images.device)
        opened = torch.where(first, place, 0).amax(1)
        back = torch.arange(1 - self.images, 1, device=images.device)
        rows = torch.maximum(length - 1 + back, opened[:, None])
        batch = torch.arange(len(images), device=images.device)
        return images[batch[:, None], rows].movedim(1, -2).flatten(-2)

    @torch.no_grad()
    def imagine(self, state: dict[str, Tensor], action: Tensor, generator: Generator, sample: bool = True) -> Dream:
        """Deterministic: `generator` and `sample` change nothing."""
        net, z = self.networks, state["z"]
        rewards: list[Tensor] = []
        features: list[Tensor] = []
        for step in action.unbind(1):
            both = torch.cat([z, step], dim=-1)
            rewards.append(net.code.decode(net.reward(both)))
            z = net.dynamics(both)
            features.append(z)
        feature = torch.stack(features, 1)
        goes_on: Any = None
        if net.termination is not None:
            goes_on = 1 - net.termination(feature)[..., 0].sigmoid()
        return Dream(torch.stack(rewards, 1), goes_on, feature, None, {"z": z})
