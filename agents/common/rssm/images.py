"""The convolutional encoder and decoder that PlaNet, DreamerV1 and V2 share, for 64x64 pixels; and, as an extension for
tasks without pictures, dense ones for vectors.

What they see are `seen` observations: images as float32 [..., H, W, C] about 0, vectors symlogged.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from gymnasium import spaces
from torch import Tensor, nn

from bench.agents.common.rssm.dense import mlp
from bench.agents.common.rssm.normal import normal_logprob, unit_normal_loss
from bench.agents.common.twohot import symexp, symlog

VECTOR_LAYERS = 2  # hidden layers for vectors, in front of and behind the state
VECTOR_DEVIATION = 0.03  # of the normal over each of their few numbers: at 1 the latents would not tell them


def seen_vectors(observation: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: symlog(value) for key, value in observation.items() if key != "image"}


def centred(observation: dict[str, Tensor]) -> dict[str, Tensor]:
    """Observations as DreamerV1 and V2 see them: images uint8 as x/255 - 0.5."""
    image = {key: value.float().div_(255).sub_(0.5) for key, value in observation.items() if key == "image"}
    return seen_vectors(observation) | image


def vector_sizes(space: spaces.Dict) -> dict[str, int]:
    """Sizes of the vectors by key, sorted."""
    return {key: spaces.flatdim(space[key]) for key in sorted(space.spaces) if key != "image"}


class Encoder(nn.Module):
    """Seen observations -> tokens: 32 depth numbers of an image (64 -> 31 -> 14 -> 6 -> 2 pixels a side), `units` of
    all vectors together."""

    def __init__(self, space: spaces.Dict, depth: int, units: int, activation: type[nn.Module]):
        super().__init__()
        self.vectors, self.image = vector_sizes(space), space.spaces.get("image")
        self.size = 0
        if self.vectors:
            layers = mlp(sum(self.vectors.values()), units, VECTOR_LAYERS - 1, units, activation)
            self.layers = nn.Sequential(layers, activation())
            self.size += units
        if self.image is not None:
            assert self.image.shape is not None
            stages: list[nn.Module] = []
            for inputs, outputs in pairwise((self.image.shape[-1], depth, 2 * depth, 4 * depth, 8 * depth)):
                stages += [nn.Conv2d(inputs, outputs, 4, 2), activation()]
            self.convolutions = nn.Sequential(*stages, nn.Flatten())
            self.size += 32 * depth

    def forward(self, seen: dict[str, Tensor]) -> Tensor:
        """Tokens [..., size]."""
        parts = []
        if self.vectors:
            parts.append(self.layers(torch.cat([seen[key] for key in self.vectors], dim=-1)))
        if self.image is not None:
            image = seen["image"]
            x = image.flatten(0, -4).movedim(-1, 1)
            parts.append(self.convolutions(x).unflatten(0, image.shape[:-3]))
        return torch.cat(parts, dim=-1)


class Decoder(nn.Module):
    """Features -> the means of normals over what was seen, of unit deviation over pixels."""

    deviation: Tensor

    def __init__(self, features: int, space: spaces.Dict, depth: int, units: int, activation: type[nn.Module]):
        super().__init__()
        self.vectors, image = vector_sizes(space), space.spaces.get("image")
        self.register_buffer("deviation", torch.tensor(VECTOR_DEVIATION), persistent=False)
        if self.vectors:
            self.layers = mlp(features, units, VECTOR_LAYERS, sum(self.vectors.values()), activation)
        self.convolutions: nn.Sequential | None = None
        if image is not None:
            assert image.shape is not None
            widths = (32 * depth, 4 * depth, 2 * depth, depth, image.shape[-1])
            stages: list[nn.Module] = [nn.Linear(features, widths[0]), nn.Unflatten(-1, (-1, 1, 1))]
            kernels = (5, 5, 6, 6)  # 1 -> 5 -> 13 -> 30 -> 64 pixels a side
            for (inputs, outputs), kernel in zip(pairwise(widths), kernels, strict=True):
                stages += [nn.ConvTranspose2d(inputs, outputs, kernel, 2), activation()]
            self.convolutions = nn.Sequential(*stages[:-1])

    def forward(self, feature: Tensor) -> dict[str, Tensor]:
        """Means per key, in the form of what is seen."""
        decoded: dict[str, Tensor] = {}
        if self.vectors:
            parts = self.layers(feature).split(list(self.vectors.values()), dim=-1)
            decoded = dict(zip(self.vectors, parts, strict=True))
        if self.convolutions is not None:
            image = self.convolutions(feature.flatten(0, -2))
            decoded["image"] = image.movedim(1, -1).unflatten(0, feature.shape[:-1])
        return decoded

    def losses(self, decoded: dict[str, Tensor], seen: dict[str, Tensor]) -> dict[str, Tensor]:
        """-ln p(seen) [...] of every key in nats, summed over its elements."""
        errors = {}
        for key, mean in decoded.items():
            if key == "image":
                errors[key] = unit_normal_loss(mean, seen[key]).flatten(-3).sum(-1)
            else:
                errors[key] = -normal_logprob(seen[key], mean, self.deviation).sum(-1)
        return errors

    def as_observed(self, decoded: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means in the units of the observations, float32."""
        return {key: (mean + 0.5) * 255 if key == "image" else symexp(mean) for key, mean in decoded.items()}
