"""The retention trunk with Parallel Observation Prediction (POP): what is seen is consumed, what comes is predicted.

A block is the K tokens of an observation and the A tokens of the action on it. Its observation is predicted from the
state after all earlier blocks by K learnt prediction tokens in the places the observation will have. The state that
these would leave is dropped: only real tokens change it.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Generator, Tensor, nn

from bench.agents.simulus.retention import Angles, Decays, Layer, angles, carry, decays


class Trunk(nn.Module):
    """States are tensors [B, layers, h, e, e]; before anything was seen they are zero."""

    def __init__(
        self,
        layers: int,
        heads: int,
        width: int,
        observed: int,
        acted: int,
        memory: tuple[float, float],
        dropout: float,
    ):
        super().__init__()
        self.heads, self.size, self.observed, self.block = heads, width // heads, observed, observed + acted
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.slots = nn.Embedding(self.block, width)  # the last ones, in the action's places, are never used
        decay = decays(heads, self.block, *memory)
        self.decays, self.block_decays = Decays(decay), Decays(decay**self.block)

    @property
    def stack(self) -> list[Layer]:
        return cast("list[Layer]", list(self.layers))

    def initial(self, batch: int) -> Tensor:
        return self.slots.weight.new_zeros(batch, len(self.layers), self.heads, self.size, self.size)

    def forward(
        self, x: Tensor, state: Tensor, position: int = 0, generator: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """For T real blocks x [B, T, K + A, d] after `state`: predictions [B, T, K, d], entry t of block t from what
        lies before it, and the state after them. No loop over blocks or tokens; a generator draws dropout."""
        steps = x.shape[1]
        real, ahead = self.decays.over(self.block, x), self.decays.over(self.observed, x)
        at = self._angles(torch.arange(position, position + steps * self.block, device=x.device))
        at = Angles(*(part.unflatten(0, (steps, 1, self.block)) for part in at))
        soon = Angles(*(part[..., : self.observed, :] for part in at))
        across = self.block_decays.over(steps + 1, x).between  # from a block, or the first state, to those after it
        y = self.slots.weight[: self.observed]  # the same for all until the first layer has read the states
        after = []
        for number, layer in enumerate(self.stack):
            normed = layer.norm1(x)
            keys = layer.keys(normed, at)
            own = torch.cat([state[:, number, None], carry(*keys, real)], dim=1)
            states = torch.einsum("hts,bshij->bthij", across, own)  # before each block, and after the last one
            before = states[:, :-1]
            after.append(states[:, -1])
            if number + 1 < len(self.layers):
                x = layer(x, normed, keys, before, real, at, generator)
            normed = layer.norm1(y)
            y = layer(y, normed, layer.keys(normed, soon), before, ahead, soon, generator)
        return y, torch.stack(after, dim=1)

    def consume(self, x: Tensor, state: Tensor, position: int | Tensor) -> Tensor:
        """The state after n real tokens x [B, n, d], the first of which has number `position`: an int, or [B]."""
        at = self._angles(self._numbers(position, x.shape[1], x))
        powers = self.decays.over(x.shape[1], x)
        after = []
        for number, layer in enumerate(self.stack):
            normed = layer.norm1(x)
            keys = layer.keys(normed, at)
            after.append(carry(*keys, powers, state[:, number]))
            if number + 1 < len(self.layers):
                x = layer(x, normed, keys, state[:, number], powers, at, None)
        return torch.stack(after, dim=1)

    def predict(self, state: Tensor, position: int | Tensor) -> Tensor:
        """Predictions [B, K, d] of the observation whose first token has number `position`. The state stays."""
        at = self._angles(self._numbers(position, self.observed, state))
        powers = self.decays.over(self.observed, state)
        y = self.slots.weight[: self.observed]
        for number, layer in enumerate(self.stack):
            normed = layer.norm1(y)
            y = layer(y, normed, layer.keys(normed, at), state[:, number], powers, at, None)
        return y

    def _numbers(self, position: int | Tensor, count: int, like: Tensor) -> Tensor:
        at = torch.arange(count, device=like.device)
        return at + position if isinstance(position, int) else (at + position[:, None])[:, None]

    def _angles(self, numbers: Tensor) -> Angles:
        return angles(numbers, self.size)
