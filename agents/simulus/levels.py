"""Numbers as tokens: 125 levels of symlog for observed vectors, 51 even levels of [-1, 1] for actions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.agents.common.twohot import symlog

VECTOR_LEVELS, ACTION_LEVELS = 125, 51


class Levels(nn.Module):
    """Increasing support values; a number's token is the index of the nearest one, the upper one of two equally near.

    Beyond the ends it is the end's. Tokens are int64 and have the shape of the values.
    """

    def __init__(self, support: Tensor):
        super().__init__()
        self.register_buffer("support", support.float(), persistent=False)
        self.register_buffer("middles", ((support[1:] + support[:-1]) / 2).float(), persistent=False)

    support: Tensor
    middles: Tensor

    def tokens(self, values: Tensor) -> Tensor:
        return torch.bucketize(values.contiguous(), self.middles, right=True)

    def values(self, tokens: Tensor) -> Tensor:
        return self.support[tokens]


class VectorLevels(Levels):
    """Of symlog(x): spacing 0.0458 where |x| <= pi and 0.1477 beyond, up to |symlog x| = 6; symmetric about 0."""

    def __init__(self) -> None:
        inner, outer, limit = 32, 31, math.log1p(math.pi)
        near = torch.linspace(0, limit, inner, dtype=torch.float64)
        far = torch.linspace(limit, 6, outer + 1, dtype=torch.float64)[1:]
        above = torch.cat([near, far])
        super().__init__(torch.cat([-above[1:].flip(0), above]))

    def tokens(self, values: Tensor) -> Tensor:
        """Of raw values. `values` gives them back in symlog space."""
        return super().tokens(symlog(values))


def action_levels() -> Levels:
    half = ACTION_LEVELS // 2
    return Levels(torch.arange(-half, half + 1) / half)
