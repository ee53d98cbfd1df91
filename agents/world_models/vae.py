"""V: what an observation is told as, a normal distribution over z; of images as published, of vectors as our extension.

Names and shapes follow the article's figure: four convolutions and four transposed ones, none padded, strides of 2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from gymnasium.spaces import flatdim
from torch import Generator, Tensor, nn

from bench.agents.api import Task
from bench.agents.world_models.config import WorldModelsConfig

Observation = Mapping[str, Tensor]
ENCODER = ((32, 4), (64, 4), (128, 4), (256, 4))  # channels and kernel of each layer
DECODER = ((128, 5), (64, 5), (32, 6), (3, 6))
FLAT = 1024  # numbers between the convolutions and z, on both sides


class Code(NamedTuple):
    """A normal distribution over z, each [..., Nz]."""

    mu: Tensor
    logvar: Tensor

    def sample(self, generator: Generator) -> Tensor:
        noise = torch.randn(self.mu.shape, generator=generator, device=self.mu.device)
        return self.mu + torch.exp(self.logvar / 2) * noise


class Loss(NamedTuple):
    """Means over the batch: of all, of the squared error's sum, of the KL divergence in nats before its floor."""

    total: Tensor
    error: Tensor
    kl: Tensor


class VAE(nn.Module, ABC):
    """`encoder` and `decoder` are made by the subclasses; between them lie z and its two heads."""

    mu: nn.Linear
    logvar: nn.Linear
    encoder: nn.Module
    decoder: nn.Module

    @abstractmethod
    def inputs(self, observation: Observation) -> Tensor:
        """What the encoder is given and the decoder should give, [N, ...]."""

    @abstractmethod
    def observed(self, decoded: Tensor) -> dict[str, Tensor]:
        """Decoded inputs [N, ...] in the observation's own form."""

    def encode(self, observation: Observation) -> Code:
        return self._code(self.inputs(observation))

    def _code(self, inputs: Tensor) -> Code:
        seen = self.encoder(inputs)
        return Code(self.mu(seen), self.logvar(seen))

    def decode(self, z: Tensor) -> Tensor:
        """Of z [N, Nz], in the form of `inputs`."""
        decoded: Tensor = self.decoder(z)
        return decoded

    def loss(self, observation: Observation, tolerance: float, weight: float, generator: Generator) -> Loss:
        """Sum of squares over an observation's numbers, and the KL divergence from N(0, I), for free below `tolerance`
        nats per number of z: the floor is of the sum over z, per sample [O]."""
        inputs = self.inputs(observation)
        code = self._code(inputs)
        error = (self.decode(code.sample(generator)) - inputs).square().flatten(1).sum(1)
        kl = -0.5 * (1 + code.logvar - code.mu.square() - code.logvar.exp()).sum(1)
        floored = kl.clamp(min=tolerance * code.mu.shape[1])
        return Loss((weight * error + floored).mean(), error.mean(), kl.mean())


class ImageVAE(VAE):
    """Of uint8 images [N, 64, 64, 3]; 4,348,547 parameters for 32 numbers of z, 4,446,915 for 64."""

    def __init__(self, latent: int):
        super().__init__()
        down: list[nn.Module] = []
        channels = 3
        for width, kernel in ENCODER:
            down += [nn.Conv2d(channels, width, kernel, stride=2), nn.ReLU()]
            channels = width
        self.encoder = nn.Sequential(*down, nn.Flatten())
        self.mu, self.logvar = nn.Linear(FLAT, latent), nn.Linear(FLAT, latent)
        up: list[nn.Module] = [nn.Linear(latent, FLAT), nn.Unflatten(1, (FLAT, 1, 1))]
        channels = FLAT
        for width, kernel in DECODER:
            up += [nn.ConvTranspose2d(channels, width, kernel, stride=2), nn.Sigmoid() if width == 3 else nn.ReLU()]
            channels = width
        self.decoder = nn.Sequential(*up)
        initialise(self)

    def inputs(self, observation: Observation) -> Tensor:
        return observation["image"].permute(0, 3, 1, 2).float() / 255

    def observed(self, decoded: Tensor) -> dict[str, Tensor]:
        return {"image": (decoded.permute(0, 2, 3, 1) * 255).round().to(torch.uint8)}


class VectorVAE(VAE):
    """Of vectors, each number standardised over the data: an extension of ours, with two hidden layers of tanh."""

    mean: Tensor
    std: Tensor

    def __init__(self, sizes: Mapping[str, int], latent: int, units: int):
        super().__init__()
        self.sizes = dict(sorted(sizes.items()))
        total = sum(self.sizes.values())
        self.encoder = nn.Sequential(nn.Linear(total, units), nn.Tanh())
        self.mu, self.logvar = nn.Linear(units, latent), nn.Linear(units, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, units), nn.Tanh(), nn.Linear(units, total))
        self.register_buffer("mean", torch.zeros(total))
        self.register_buffer("std", torch.ones(total))
        initialise(self)

    def standardise(self, observation: Observation) -> None:
        """Measure the data [N, ...] that z is to tell apart."""
        numbers = self._joined(observation)
        self.mean.copy_(numbers.mean(0))
        self.std.copy_(numbers.std(0, correction=0).clamp(min=1e-3))

    def _joined(self, observation: Observation) -> Tensor:
        return torch.cat([observation[key].float() for key in self.sizes], dim=1)

    def inputs(self, observation: Observation) -> Tensor:
        return (self._joined(observation) - self.mean) / self.std

    def observed(self, decoded: Tensor) -> dict[str, Tensor]:
        parts = (decoded * self.std + self.mean).split(list(self.sizes.values()), dim=1)
        return dict(zip(self.sizes, parts, strict=True))


def initialise(net: nn.Module) -> None:
    """As TensorFlow's layers begin: Glorot-uniform weights, no biases."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def build(config: WorldModelsConfig, task: Task) -> VAE:
    spaces = task.observation.spaces
    if "image" in spaces:
        return ImageVAE(config.latent)
    return VectorVAE({key: flatdim(space) for key, space in spaces.items()}, config.latent, config.v_units)
