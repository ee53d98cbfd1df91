"""The value network: images through convolutions, joined with the vectors, then one value per dimension and choice."""

from __future__ import annotations

import torch
from gymnasium.spaces import flatdim
from torch import Tensor, nn

from bench.agents.api import Task
from bench.agents.common.bins import Bins
from bench.agents.decqn.config import DecQNConfig


class ValueNetwork(nn.Module):
    def __init__(self, config: DecQNConfig, task: Task, bins: Bins):
        super().__init__()
        spaces = task.observation.spaces
        self.vectors = sorted(key for key in spaces if key != "image")
        self.shape = (bins.dimensions, bins.choices)
        size = sum(flatdim(spaces[key]) for key in self.vectors)
        if "image" in spaces:
            one, two, three = config.channels
            self.convolutions = nn.Sequential(
                nn.Conv2d(spaces["image"].shape[2], one, 8, 4), nn.ReLU(),  # type: ignore[index]
                nn.Conv2d(one, two, 4, 2), nn.ReLU(),
                nn.Conv2d(two, three, 3, 1), nn.ReLU(),
                nn.Flatten(),
            )  # fmt: skip
            size += three * 4 * 4  # 64 -> 15 -> 6 -> 4 pixels
        layers: list[nn.Module] = []
        for width in config.hidden:
            layers += [nn.Linear(size, width), nn.SiLU()]
            size = width
        self.head = nn.Sequential(*layers, nn.Linear(size, bins.dimensions * bins.choices))

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """Values [B, dimensions, choices] of "image" uint8 [B, 64, 64, C] and vectors float32 [B, D]."""
        parts = [observation[key] for key in self.vectors]
        if "image" in observation:
            parts.append(self.convolutions(observation["image"].permute(0, 3, 1, 2).float() / 255))
        return self.head(torch.cat(parts, dim=1)).unflatten(1, self.shape)
