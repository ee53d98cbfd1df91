"""DreamerV1: agents/common/gaussian_dreamer, whose states are learnt by reconstructing observations."""

from __future__ import annotations

from torch.nn import ReLU

from bench.agents.common.gaussian_dreamer.agent import GaussianDreamer
from bench.agents.common.representation import Representation
from bench.agents.common.rssm.images import Decoder
from bench.agents.common.rssm.reconstruction import Reconstruction


class DreamerV1(GaussianDreamer):
    def build_representation(self, features: int, tokens: int) -> Representation:
        config = self.config
        return Reconstruction(Decoder(features, self.task.observation, config.depth, config.units, ReLU))
