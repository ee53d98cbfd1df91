"""DreamerV1: the agent of agents/common/gaussian_dreamer.py, whose states are learnt by reconstructing observations."""

from __future__ import annotations

from torch.nn import ReLU

from bench.agents.common.gaussian_dreamer import GaussianDreamer
from bench.agents.common.images64 import Decoder
from bench.agents.common.representation import Reconstruction, Representation


class DreamerV1(GaussianDreamer):
    def build_representation(self, features: int, tokens: int) -> Representation:
        config = self.config
        return Reconstruction(Decoder(features, self.task.observation, config.depth, config.units, ReLU))
