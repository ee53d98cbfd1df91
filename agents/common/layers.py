"""Layers of decoder-free agents: linear, LayerNorm, activation; and the same for an ensemble, as batched products."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

FEW = 1 << 13  # numbers: below, dispatching costs more than computing


class _Mish(torch.autograd.Function):
    """x tanh(softplus x) = x (2r - 1) with r = 1 / (1 + s^2), s = sigmoid(-x); dr/dx = 2 s^2 (1 - s) r^2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        s = torch.sigmoid(-x)
        r = s.square().add_(1).reciprocal_()
        if ctx is not None and ctx.needs_input_grad[0]:
            ctx.save_for_backward(torch.addcmul(s, s, s, value=-1).mul_(s).mul_(x).mul_(r).mul_(2).add_(1).mul_(r))
        return torch.addcmul(-x, x, r, value=2)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors  # d(x r)/dx
        return torch.addcmul(-gradient[0], gradient[0], slope, value=2)


def mish(x: Tensor) -> Tensor:
    """x tanh(softplus x). On a CPU with one transcendental function per number where functional.mish takes three."""
    if x.is_cuda or x.numel() < FEW:
        return functional.mish(x)
    return _Mish.apply(x) if torch.is_grad_enabled() else _Mish.forward(None, x)


class NormedLinear(nn.Linear):
    """activation(LayerNorm(W x + b))."""

    def __init__(self, inputs: int, outputs: int, activation: Callable[[Tensor], Tensor] = mish):
        super().__init__(inputs, outputs)
        self.norm = nn.LayerNorm(outputs)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(super().forward(x)))


def mlp(inputs: int, hidden: tuple[int, ...], last: nn.Linear) -> nn.Sequential:
    """NormedLinear layers of the widths `hidden`, then `last`: a plain linear layer or another NormedLinear."""
    return nn.Sequential(*(NormedLinear(a, b) for a, b in pairwise((inputs, *hidden))), last)


class EnsembleLinear(nn.Module):
    """One linear layer of each of E members."""

    def __init__(self, inputs: int, outputs: int, members: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        """[E, N, out] of x [E, N, in]; or of M members, an index [M], whose parameters then get no gradient."""
        return torch.baddbmm(_of(self.bias, members), x, _of(self.weight, members))


class EnsembleNormedLinear(EnsembleLinear):
    """Mish(LayerNorm(Dropout(W x + b))) of each of E members."""

    def __init__(self, inputs: int, outputs: int, members: int, dropout: float = 0.0):
        super().__init__(inputs, outputs, members)
        self.scale = nn.Parameter(torch.ones(members, 1, outputs))
        self.offset = nn.Parameter(torch.zeros(members, 1, outputs))
        self.dropout = dropout

    def forward(self, x: Tensor, members: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """As EnsembleLinear; without a generator nothing is dropped."""
        x = super().forward(x, members)
        if self.dropout and generator is not None:
            kept = torch.empty_like(x).bernoulli_(1 - self.dropout, generator=generator)
            x = x * kept.div_(1 - self.dropout)
        x = functional.layer_norm(x, x.shape[-1:])
        return mish(torch.addcmul(_of(self.offset, members), x, _of(self.scale, members)))


class Ensemble(nn.Module):
    """E networks of two hidden layers, with dropout in the first one."""

    def __init__(self, inputs: int, width: int, outputs: int, members: int, dropout: float = 0.0):
        super().__init__()
        self.members = members
        self.first = EnsembleNormedLinear(inputs, width, members, dropout)
        self.second = EnsembleNormedLinear(width, width, members)
        self.last = EnsembleLinear(width, outputs, members)

    def forward(self, x: Tensor, members: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """[E, N, outputs] for x [N, inputs], or of the members [M] alone, whose parameters then get no gradient.

        With a generator, units are dropped; each member has its own.
        """
        x = x.expand(self.members if members is None else len(members), *x.shape)
        return self.last(self.second(self.first(x, members, generator), members), members)

    def two(self, generator: Generator) -> Tensor:
        """Two distinct members, drawn uniformly: an index [2]."""
        return torch.randperm(self.members, generator=generator, device=self.last.weight.device)[:2]


def _of(parameter: Tensor, members: Tensor | None) -> Tensor:
    return parameter if members is None else parameter.detach()[members]
