"""C: a linear layer from what V and M say to an action, as flat vectors of numbers that CMA-ES draws.

A flat vector holds the bias first, then the weights input by input, as the released code lays them; with a hidden
layer, that one's first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from gymnasium.spaces import Discrete, flatdim
from torch import Tensor
from torch.nn import functional

from bench.agents.api import Task
from bench.agents.world_models.config import WorldModelsConfig


@dataclass(frozen=True)
class Controller:
    """Numbers in and out, whether layers have a bias, and the units of a hidden layer of tanh (0: none)."""

    inputs: int
    outputs: int
    bias: bool = True
    units: int = 0

    @property
    def layers(self) -> list[tuple[int, int]]:
        widths = [self.inputs, *([self.units] if self.units else []), self.outputs]
        return list(zip(widths, widths[1:], strict=False))

    @property
    def size(self) -> int:
        """Numbers of a flat vector."""
        return sum((self.bias + inputs) * outputs for inputs, outputs in self.layers)

    def __call__(self, flat: Tensor, features: Tensor) -> Tensor:
        """u [P, R, outputs] of P controllers [P, size], each on R rows of its own [P, R, inputs]."""
        for number, (bias, weight) in enumerate(self.split(flat)):
            x = torch.tanh(features) if number else features
            features = torch.bmm(x, weight) if bias is None else torch.baddbmm(bias, x, weight)
        return features

    def split(self, flat: Tensor) -> list[tuple[Tensor | None, Tensor]]:
        """(bias [P, 1, out], weight [P, in, out]) of each layer: views of P flat vectors."""
        parts = flat.split([(self.bias + inputs) * outputs for inputs, outputs in self.layers], dim=1)
        rows = [part.unflatten(1, (-1, out)) for part, (_, out) in zip(parts, self.layers, strict=True)]
        return [(row[:, :1], row[:, 1:]) if self.bias else (None, row) for row in rows]


def features(sees: str, z: Tensor, h: Tensor, c: Tensor) -> Tensor:
    """What C sees, [..., D]: z, h, c in the order of the letters of `sees`."""
    known = {"z": z, "h": h, "c": c}
    return torch.cat([known[letter] for letter in sees], dim=-1)


def act(kind: str, squashed: Tensor) -> Tensor:
    """Actions, as the task takes them, of outputs in (-1, 1) [..., A].

    "box": they are. "racing": as "box", and a brake below 0 is none, so that half of its range brakes. "thirds": left
    (0) below -1/3, right (2) above 1/3. "argmax": the largest output's number.
    """
    if kind == "racing":
        return torch.cat([squashed[..., :2], 2 * squashed[..., 2:].clamp(min=0) - 1], dim=-1)
    if kind == "thirds":
        return ((squashed[..., 0] >= -1 / 3).long() + (squashed[..., 0] > 1 / 3).long()).long()
    return squashed.argmax(-1) if kind == "argmax" else squashed


def told(kind: str, action: Tensor, choices: int) -> Tensor:
    """Actions as M is told of them, float [..., A]: of three directions -1, 0, 1; of other choices one-hot."""
    if kind == "thirds":
        return action[..., None].float() - 1
    return functional.one_hot(action.long(), choices).float() if kind == "argmax" else action.float()


def numbers(config: WorldModelsConfig, task: Task) -> int:
    """Numbers that C puts out, and that M is told of an action."""
    return 1 if config.actions == "thirds" else flatdim(task.action)


def choices(task: Task) -> int:
    return int(task.action.n) if isinstance(task.action, Discrete) else 0


def build(config: WorldModelsConfig, task: Task) -> Controller:
    sizes = {"z": config.latent, "h": config.hidden, "c": config.hidden}
    return Controller(sum(sizes[x] for x in config.sees), numbers(config, task), config.bias, config.units)
