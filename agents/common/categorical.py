"""Categorical distributions as probabilities [..., C], sampled from given noise, so that no generator hides in a
model."""

from __future__ import annotations

import torch
from torch import Tensor


def unimix(logits: Tensor, uniform: float) -> Tensor:
    """(1 - uniform) softmax(logits) + uniform / C of logits [..., V, C], in float32."""
    classes = logits.shape[-1]
    # a softmax over a short last axis is slow on a CPU: 20 times slower than over the one before, where C = 4
    probabilities = logits.float().transpose(-1, -2).softmax(-2).transpose(-1, -2)
    return (1 - uniform) * probabilities + uniform / classes if uniform else probabilities


def log_unimix(logits: Tensor, uniform: float) -> Tensor:
    """Its logarithm, for logits [..., C]. Without a uniform share it is finite, with its gradient, where a probability
    rounds to 0."""
    if uniform:
        return ((1 - uniform) * logits.float().softmax(-1) + uniform / logits.shape[-1]).log()
    return logits.float().log_softmax(-1)


def draw(probabilities: Tensor, noise: Tensor | None) -> Tensor:
    """Classes int64 [...], where noise [...] is uniform in [0, 1); the likeliest where it is None."""
    if noise is None:
        return probabilities.argmax(-1)
    below = probabilities.cumsum(-1) <= noise[..., None]
    return below.sum(-1).clamp(max=probabilities.shape[-1] - 1)


def one_hot(index: Tensor, classes: int) -> Tensor:
    """float32 [..., classes]. (torch's own waits for the device to check the range.)"""
    return (index[..., None] == torch.arange(classes, device=index.device)).float()


def straight_through(index: Tensor, probabilities: Tensor) -> Tensor:
    """Exactly the one-hot of `index` in value, and the probabilities in gradient. The brackets matter: from left to
    right the sum would not be exact."""
    return one_hot(index, probabilities.shape[-1]) + (probabilities - probabilities.detach())


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) [...] in nats."""
    return (p * (p.log() - q.log())).sum(-1)


def entropy(logprob: Tensor) -> Tensor:
    """Nats [...] of log-probabilities [..., C]."""
    return -(logprob.exp() * logprob).sum(-1)
