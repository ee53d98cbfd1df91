"""What is read from predictions: tokens, the end, and an ensemble whose disagreement tells what is not known yet."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.agents.common.categorical import entropy
from bench.agents.common.layers import EnsembleLinear, NormedLinear


class TokenHead(nn.Sequential):
    """Logits [..., V] of a modality's tokens."""

    def __init__(self, width: int, words: int):
        super().__init__(NormedLinear(width, 2 * width, functional.silu), nn.Linear(2 * width, words))


class EndHead(nn.Sequential):
    """Logits [..., 2]: goes on, ends."""

    def __init__(self, width: int):
        super().__init__(NormedLinear(width, width, functional.silu), nn.Linear(width, 2))


class Ensemble(nn.Module):
    """E token heads as batched products."""

    def __init__(self, width: int, words: int, members: int):
        super().__init__()
        self.members = members
        self.first, self.last = EnsembleLinear(width, 2 * width, members), EnsembleLinear(2 * width, words, members)
        self.norm_scale = nn.Parameter(torch.ones(members, 1, 2 * width))
        self.norm_offset = nn.Parameter(torch.zeros(members, 1, 2 * width))
        for layer in (self.first, self.last):  # as nn.Linear does
            bound = 1 / math.sqrt(layer.weight.shape[1])
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [E, N, V] of x [E, N, d]."""
        x = functional.layer_norm(self.first(x), self.norm_scale.shape[-1:])
        return self.last(functional.silu(torch.addcmul(self.norm_offset, x, self.norm_scale)))

    def disagreement(self, y: Tensor) -> Tensor:
        """Jensen-Shannon divergence [B, K] of the members' distributions for y [B, K, d]: 0 to ln E nats."""
        return jensen_shannon(self(y.flatten(0, 1).expand(self.members, -1, -1))).unflatten(0, y.shape[:2])


def jensen_shannon(logits: Tensor) -> Tensor:
    """H(mean p) - mean H(p) [N] of logits [E, N, V]."""
    logprob = logits.log_softmax(-1)
    mean = torch.logsumexp(logprob, 0) - math.log(len(logits))
    return entropy(mean) - entropy(logprob).mean(0)
