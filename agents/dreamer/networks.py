"""What surrounds the recurrent state: encoder, decoder and heads."""

from __future__ import annotations

import math

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from bench.agents.api import Task
from bench.agents.common.twohot import SymexpTwoHot, symexp, symlog
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.layers import BlockLinear, ChannelNorm, Conv, DoublingConv, Linear, NormedLinear, mlp
from bench.agents.dreamer.rssm import Latent

WIDTHS = (2, 3, 4, 4)  # of the encoder's four convolutions, in base depths


def shapes(space: spaces.Dict) -> tuple[dict[str, int], tuple[int, int, int] | None]:
    """Sizes of the vectors by key, sorted, and the image's (height, width, channels), or None."""
    vectors = {key: spaces.flatdim(space[key]) for key in sorted(space.spaces) if key != "image"}
    image = space.spaces.get("image")
    return vectors, None if image is None else tuple(image.shape)  # type: ignore[arg-type, return-value]


class Encoder(nn.Module):
    """Observations -> tokens."""

    def __init__(self, config: DreamerConfig, task: Task):
        super().__init__()
        self.vectors, self.image = shapes(task.observation)
        self.size = 0
        if self.vectors:
            self.layers = mlp(sum(self.vectors.values()), config.units, 3)
            self.size += config.units
        if self.image:
            height, width, channels = self.image
            sizes = [channels, *(config.depth * n for n in WIDTHS)]
            stages: list[nn.Module] = []
            for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
                stages += [Conv(inputs, outputs), nn.MaxPool2d(2), ChannelNorm(outputs)]
            self.convolutions = nn.Sequential(*stages, nn.Flatten())
            self.size += sizes[-1] * (height // 16) * (width // 16)

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """Tokens [..., size] of "image" uint8 [..., H, W, C] and vectors float32 [..., D]."""
        parts = []
        if self.vectors:
            parts.append(self.layers(symlog(torch.cat([observation[key] for key in self.vectors], dim=-1))))
        if self.image:
            image = observation["image"]
            x = image.flatten(0, -4).movedim(-1, 1).float().div_(255).sub_(0.5)
            parts.append(self.convolutions(x).unflatten(0, image.shape[:-3]))
        return torch.cat(parts, dim=-1)


class Decoder(nn.Module):
    """States -> observations."""

    def __init__(self, config: DreamerConfig, task: Task):
        super().__init__()
        self.vectors, self.image = shapes(task.observation)
        flat = config.latents * config.classes
        if self.vectors:
            self.layers = mlp(config.deter + flat, config.units, 3)
            self.outputs = nn.ModuleDict({key: Linear(config.units, size) for key, size in self.vectors.items()})
        if self.image:
            height, width, channels = self.image
            self.smallest = (height // 16, width // 16)
            sizes = [config.depth * n for n in reversed(WIDTHS)]
            start = math.prod(self.smallest) * sizes[0]
            self.from_deter = BlockLinear(config.deter, start, config.blocks)
            self.from_stoch = nn.Sequential(NormedLinear(flat, 2 * config.units), Linear(2 * config.units, start))
            self.start = ChannelNorm(sizes[0])
            stages: list[nn.Module] = []
            for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
                stages += [DoublingConv(inputs, outputs), ChannelNorm(outputs)]
            self.convolutions = nn.Sequential(*stages, DoublingConv(sizes[-1], channels))

    def forward(self, state: Latent) -> dict[str, Tensor]:
        """Per key, for states [..., D]: the image in [0, 1] float32 [..., H, W, C], vectors as symlog [..., size]."""
        decoded = {}
        if self.vectors:
            x = self.layers(state.feature)
            decoded = {key: self.outputs[key](x).float() for key in self.vectors}
        if self.image:
            shape = state.deter.shape[:-1]
            deter, stoch = state.deter.flatten(0, -2), state.stoch.flatten(-2).flatten(0, -2)
            height, width = self.smallest
            blocks = self.from_deter(deter).unflatten(-1, (self.from_deter.blocks, height, width, -1))
            x = blocks.permute(0, 2, 3, 1, 4).flatten(3)  # block g becomes the g-th group of channels
            x = x + self.from_stoch(stoch).unflatten(-1, (height, width, -1))
            image = torch.sigmoid(self.convolutions(self.start(x.movedim(-1, 1))).float())
            decoded["image"] = image.movedim(1, -1).unflatten(0, shape)
        return decoded

    def losses(self, decoded: dict[str, Tensor], observation: dict[str, Tensor]) -> dict[str, Tensor]:
        """The squared error [...] of every key, summed over its elements."""
        errors = {}
        for key, prediction in decoded.items():
            target = observation[key].float().div_(255) if key == "image" else symlog(observation[key])
            errors[key] = (prediction - target).square().flatten(-3 if key == "image" else -1).sum(-1)
        return errors

    def as_observed(self, decoded: dict[str, Tensor]) -> dict[str, Tensor]:
        """Predictions in the units of the observations, float32."""
        return {key: value * 255 if key == "image" else symexp(value) for key, value in decoded.items()}


class Scalar(nn.Module):
    """A head that predicts a number: exactly 0 before any training."""

    def __init__(self, config: DreamerConfig, layers: int):
        super().__init__()
        size = config.deter + config.latents * config.classes
        self.layers = nn.Sequential(mlp(size, config.units, layers), Linear(config.units, config.bins, outscale=0))
        self.distribution = SymexpTwoHot(config.bins)

    def forward(self, feature: Tensor) -> Tensor:
        """Logits [..., bins]."""
        return self.layers(feature)

    def mean(self, feature: Tensor) -> Tensor:
        """[...]"""
        return self.distribution.mean(self(feature))


class Continue(nn.Module):
    """The head of the discounted probability of going on: its target is (1 - terminal)(1 - 1/horizon)."""

    def __init__(self, config: DreamerConfig):
        super().__init__()
        size = config.deter + config.latents * config.classes
        self.layers = nn.Sequential(mlp(size, config.units, 1), Linear(config.units, 1))

    def forward(self, feature: Tensor) -> Tensor:
        """Logits [...]."""
        return self.layers(feature)[..., 0].float()

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
