"""Finite scalar quantisation: each channel of a code takes one of a few values, and the code one of their products.

After Mentzer et al. 2023, arXiv:2309.15505, in the form of the released code: bounded by a shifted tanh, so that even
numbers of levels work, rounded with a straight-through gradient, divided by half the levels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EPS = 1e-3  # how far the tanh reaches beyond the outermost levels


class FSQ(nn.Module):
    """Codes of b channels in d slots, channel first: [..., b, d]. The codebook has K = product(levels) codes."""

    def __init__(self, levels: tuple[int, ...]):
        super().__init__()
        count = torch.tensor(levels)[:, None]
        bound = (count - 1) * (1 + EPS) / 2
        offset = torch.where(count % 2 == 0, 0.5, 0.0)
        basis = torch.tensor([math.prod(levels[:channel]) for channel in range(len(levels))])[:, None]
        self.codes = math.prod(levels)
        places = torch.arange(self.codes) // basis % count
        for name, constant in {
            "bound": bound, "offset": offset, "shift": torch.atanh(offset / bound), "unit": count // 2, "basis": basis,
            "highest": count - 1,
            "table": (places - count // 2) / (count // 2),
        }.items():  # fmt: skip
            self.register_buffer(name, constant, persistent=False)

    bound: Tensor
    offset: Tensor
    shift: Tensor
    unit: Tensor  # levels // 2: what a code's integers are divided by
    highest: Tensor  # place of a channel
    basis: Tensor
    table: Tensor  # [b, K]: column i is the code of index i; the first channel changes fastest

    def forward(self, x: Tensor) -> Tensor:
        """Codes of numbers [..., b, d]; the gradient is that of the bounded numbers before rounding."""
        bounded = torch.tanh(x + self.shift) * self.bound - self.offset
        return (bounded + (bounded.round() - bounded).detach()) / self.unit

    def index(self, code: Tensor) -> Tensor:
        """int64 [..., d] of codes [..., b, d]; in the codebook even where they are no numbers."""
        places = (code * self.unit).round().long() + self.unit
        return (torch.minimum(places.clamp(min=0), self.highest) * self.basis).sum(-2)

    def code(self, index: Tensor) -> Tensor:
        """Codes [..., b, d] of indices [..., d]."""
        return self.table.T[index].movedim(-1, -2)
