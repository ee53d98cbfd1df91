"""The contrastive Dreamer: DreamerV1's agent with InfoNCE in the place of reconstruction."""

from __future__ import annotations

from torch.nn import ELU

from bench.agents.common.gaussian_dreamer.agent import GaussianDreamer
from bench.agents.common.representation import InfoNCE, Representation
from bench.agents.common.rssm.dense import mlp
from bench.agents.contrastive_dreamer.config import ContrastiveDreamerConfig


class ContrastiveDreamer(GaussianDreamer):
    config: ContrastiveDreamerConfig

    def build_representation(self, features: int, tokens: int) -> Representation:
        config = self.config
        if config.objective == "none":
            return Representation()
        head = mlp(tokens, config.units, 3, 2 * features, ELU)
        return InfoNCE(head, config.direction, config.candidates)
