"""Layers as the first Dreamers had them: dense, with Keras' initialisation and without any normalisation."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def initialised(module: M) -> M:
    """Every layer inside with Keras' defaults: Glorot-uniform kernels, orthogonal recurrent ones, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.GRUCell):
            nn.init.xavier_uniform_(layer.weight_ih)
            nn.init.orthogonal_(layer.weight_hh)
            nn.init.zeros_(layer.bias_ih)
            nn.init.zeros_(layer.bias_hh)
    return module


def mlp(inputs: int, units: int, layers: int, outputs: int, activation: type[nn.Module]) -> nn.Sequential:
    """`layers` hidden layers, then a linear one."""
    stages: list[nn.Module] = []
    for _ in range(layers):
        stages += [nn.Linear(inputs, units), activation()]
        inputs = units
    return nn.Sequential(*stages, nn.Linear(inputs, outputs))


class Scalar(nn.Module):
    """A head that predicts one number per state."""

    def __init__(self, inputs: int, units: int, layers: int, activation: type[nn.Module]):
        super().__init__()
        self.layers = mlp(inputs, units, layers, 1, activation)

    def forward(self, feature: Tensor) -> Tensor:
        """[...] of features [..., F]."""
        return self.layers(feature)[..., 0]
