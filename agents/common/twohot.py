"""Scalars as distributions over unevenly spaced bins (symexp two-hot), after DreamerV3."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def symlog(x: Tensor) -> Tensor:
    return torch.where(x < 0, -torch.log1p(-x.clamp(max=0)), torch.log1p(x.clamp(min=0)))  # slope 1 at 0 as well


def symexp(x: Tensor) -> Tensor:
    return torch.sign(x) * torch.expm1(torch.abs(x))


class SymexpTwoHot(nn.Module):
    """Bins symexp(-20 ... 20), an odd number, symmetric about an exact 0. A target is shared by its two neighbouring
    bins in proportion to its closeness in raw space; outside the bins it lies on the last one. All in float32."""

    def __init__(self, bins: int = 255):
        super().__init__()
        if bins % 2 == 0:
            raise ValueError(f"{bins} bins have no middle: take an odd number")
        below = symexp(torch.linspace(-20, 0, bins // 2 + 1))
        self.register_buffer("bins", torch.cat([below, -below[:-1].flip(0)]), persistent=False)

    bins: Tensor

    def mean(self, logits: Tensor) -> Tensor:
        """The expected value [...] under logits [..., bins]. Pairs of mirrored bins are subtracted first: their terms
        are as large as 1e8, and equal probabilities have to give exactly 0."""
        half = len(self.bins) // 2
        probabilities = logits.float().softmax(-1)
        above, below = probabilities[..., half + 1 :], probabilities[..., :half].flip(-1)
        return ((above - below) * self.bins[half + 1 :]).sum(-1)

    def weights(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """For values [...]: the lower of the two bins, int64, and the weight of the upper one."""
        lower = (torch.bucketize(value, self.bins, right=True) - 1).clamp(0, len(self.bins) - 2)
        low, high = self.bins[lower], self.bins[lower + 1]
        return lower, ((value - low) / (high - low)).clamp(0, 1)

    def loss(self, logits: Tensor, *values: Tensor) -> Tensor:
        """Cross-entropy [...] of logits [..., bins] with the two-hot targets of values [...], summed over `values`."""
        lower, upper_weight = self.weights(torch.stack(values, dim=-1).float())
        logprob = logits.float().log_softmax(-1)
        return -torch.lerp(logprob.gather(-1, lower), logprob.gather(-1, lower + 1), upper_weight).sum(-1)
