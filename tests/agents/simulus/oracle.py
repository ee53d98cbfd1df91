"""POP as it is defined, one token after another: slow, and written without the code under test."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from bench.agents.simulus.retention import Layer
from bench.agents.simulus.trunk import Trunk


def _turn(x: Tensor, position: int) -> Tensor:
    """Complex rotation of the pairs of x [..., e]."""
    half = x.shape[-1] // 2
    speed = 10_000.0 ** -torch.linspace(0, 1, half, dtype=torch.float64)
    pairs = torch.view_as_complex(x.double().unflatten(-1, (half, 2)).contiguous())
    turned = pairs * torch.polar(torch.ones(half, dtype=torch.float64), speed * position)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def token(trunk: Trunk, x: Tensor, states: list[Tensor], position: int) -> tuple[Tensor, list[Tensor]]:
    """One token x [B, d] through all layers; states are [B, h, e, e] per layer, and new ones are given back."""
    after = []
    decay = trunk.decays.log.exp().to(x.dtype)  # [h, 1, 1]
    for layer, state in zip(trunk.layers, states, strict=True):
        assert isinstance(layer, Layer)
        normed = layer.norm1(x)
        q, k, v = (part(normed).unflatten(-1, (layer.heads, -1)) for part in (layer.query, layer.key, layer.value))
        q, k = _turn(q, position), _turn(k / math.sqrt(layer.size), position)
        state = decay * state + k[..., :, None] * v[..., None, :]
        found = functional.group_norm((q[..., None, :] @ state)[..., 0, :].flatten(1), layer.heads, eps=1e-6)
        x = x + layer.out(functional.silu(layer.gate(normed)) * found)
        x = x + layer.down(functional.silu(layer.up(layer.norm2(x))))
        after.append(state)
    return x, after


def sequential(trunk: Trunk, blocks: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Predictions [B, T, K, d] for real blocks [B, T, K + A, d] from the very first on, and the last states."""
    batch, steps = blocks.shape[:2]
    states = [part.clone() for part in trunk.initial(batch).to(blocks.dtype).unbind(1)]
    predicted = []
    for t in range(steps):
        y, states = step(trunk, blocks[:, t], states, t * trunk.block)
        predicted.append(y)
    return torch.stack(predicted, 1), states


def step(trunk: Trunk, block: Tensor, states: list[Tensor], position: int) -> tuple[Tensor, list[Tensor]]:
    """Predict an observation [B, K, d] from the states, drop what that leaves, and consume its block [B, K + A, d]."""
    ahead, slots = states, []
    for i in range(trunk.observed):
        x, ahead = token(trunk, trunk.slots.weight[i].expand(len(block), -1), ahead, position + i)
        slots.append(x)
    for i in range(trunk.block):
        _, states = token(trunk, block[:, i], states, position + i)
    return torch.stack(slots, 1), states
