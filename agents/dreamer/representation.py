"""What makes DreamerV3's states tell of their observations: as published reconstruction, or InfoNCE, or nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.agents.api import Task
from bench.agents.common.representation import InfoNCE, Representation
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.layers import Linear, mlp
from bench.agents.dreamer.networks import Decoder
from bench.agents.dreamer.rssm import Latent


class Reconstruction(Representation):
    """Squared errors of what the decoder draws, times `scale`."""

    decoder: Decoder

    def __init__(self, decoder: Decoder, scale: float):
        super().__init__(decoder)
        self.scale = scale

    def losses(self, state: Latent, tokens: Tensor, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        errors = self.decoder.losses(self.decoder(state), seen)
        return {f"reconstruction_{key}": self.scale * error.mean() for key, error in errors.items()}


class Contrast(InfoNCE):
    """InfoNCE over all observations of the batch, in float32 throughout: the scores' terms cancel."""

    def losses(self, state: Latent, tokens: Tensor, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        with torch.autocast(tokens.device.type, enabled=False):
            return super().losses(state.feature.float(), tokens.float(), seen)


def representation(config: DreamerConfig, task: Task, tokens: int) -> Representation:
    """The objective that the configuration names; tokens: their size."""
    if config.objective == "reconstruction":
        return Reconstruction(Decoder(config, task), config.rec_scale)
    if config.objective == "none":
        return Representation()
    features = config.deter + config.latents * config.classes
    head = nn.Sequential(mlp(tokens, config.units, 3), Linear(config.units, 2 * features))
    return Contrast(head, direction="over_obs", candidates="all")
