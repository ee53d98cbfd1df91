"""Regression as classification: HL-Gauss distributions over even bins of symlog(y) (Farebrother et al. 2024)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.agents.common.twohot import symexp, symlog

BINS = 129
LIMIT = 15.0  # of symlog(return); a reward's is that of a hundredth of it


class HLGauss(nn.Module):
    """A linear head whose logits [..., bins] are a distribution over [-limit, limit] of symlog(y).

    A target is a Gaussian of deviation 0.75 bins around symlog(y), cut into bins. Targets closer than three deviations
    to an end are moved there, so that the Gaussian's mass lies inside; `outside` counts them.
    """

    def __init__(self, inputs: int, scale: float = 1.0):
        """`scale`: y counts in units of it, so the range is that of symexp(15) / scale."""
        super().__init__()
        self.limit = math.log1p(math.expm1(LIMIT) / scale)
        edges = torch.linspace(-self.limit, self.limit, BINS + 1, dtype=torch.float64)
        self.deviation = 0.75 * 2 * self.limit / BINS
        self.register_buffer("edges", edges.float(), persistent=False)
        self.register_buffer("centres", ((edges[1:] + edges[:-1]) / 2).float(), persistent=False)
        self.linear = nn.Linear(inputs, BINS)
        with torch.no_grad():
            likely = symlog(symexp(torch.linspace(-LIMIT, LIMIT, BINS, dtype=torch.float64)) / scale)
            self.linear.bias.copy_(-0.2 * likely.abs())  # values near 0 are likelier

    edges: Tensor
    centres: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def mean(self, logits: Tensor) -> Tensor:
        """Raw values [...]."""
        return symexp((logits.softmax(-1) * self.centres).sum(-1))

    def encode(self, value: Tensor) -> Tensor:
        """Probabilities [..., bins] of raw values [...]."""
        most = self.limit - 3 * self.deviation
        centred = symlog(value).clamp(-most, most)[..., None]
        below = torch.erf((self.edges - centred) / (math.sqrt(2) * self.deviation))
        mass = below[..., 1:] - below[..., :-1]
        return mass / mass.sum(-1, keepdim=True)

    def loss(self, logits: Tensor, value: Tensor) -> Tensor:
        """Cross-entropy [...] of logits [..., bins] with raw values [...]."""
        return -(self.encode(value) * logits.log_softmax(-1)).sum(-1)

    def outside(self, value: Tensor) -> Tensor:
        """How many values lie beyond the range; 0-d."""
        return (symlog(value).abs() > self.limit - 3 * self.deviation).sum()
