"""Multi-scale retention, and the layer around it.

`read` and `carry` are its parallel form over a whole sequence, its chunkwise form over chunks in turn, and its
recurrent form token by token.

All heads' decays are in units of blocks (the tokens of one decision). Positions are absolute token numbers; scores
depend on their differences only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

EPS = 1e-6  # of the trunk's norms


class Powers(NamedTuple):
    """Powers of the decays of h heads over a chunk of n tokens."""

    between: Tensor  # [h, n, n]: g**(i - m) for m <= i, 0 elsewhere
    since: Tensor  # [h, n, 1]: g**(i + 1), from the state before the chunk to token i
    until: Tensor  # [h, n, 1]: g**(n - 1 - i), from token i to the state after the chunk
    whole: Tensor  # [h, 1, 1]: g**n


def decays(heads: int, block: int, shortest: float, longest: float) -> Tensor:
    """Decay per token of each head, float64 [h]: 1 - 1/(blocks x tokens per block), evenly spaced in the logarithm."""
    first, last = (math.log(1 / (blocks * block)) for blocks in (shortest, longest))
    return 1 - torch.linspace(first, last, heads, dtype=torch.float64).exp()


class Decays:
    """Powers per chunk length, computed once."""

    def __init__(self, decay: Tensor):
        self.log = decay.double().log()[:, None, None]
        self.cache: dict[tuple[int, torch.device, torch.dtype], Powers] = {}

    def over(self, length: int, like: Tensor) -> Powers:
        key = length, like.device, like.dtype
        if key not in self.cache:
            at = torch.arange(length, dtype=torch.float64)
            apart = at[:, None] - at
            between = torch.where(apart >= 0, (self.log * apart.clamp(min=0)).exp(), 0.0)
            parts = (
                between,
                (self.log * (at + 1)[:, None]).exp(),
                (self.log * (length - 1 - at)[:, None]).exp(),
                (self.log * length).exp(),
            )
            self.cache[key] = Powers(*(part.to(like.device, like.dtype) for part in parts))
        return self.cache[key]


def carry(k: Tensor, v: Tensor, powers: Powers, state: Tensor | None = None) -> Tensor:
    """The state [..., h, e, e] after a chunk of keys and values [..., h, n, e]."""
    own = (k * powers.until).transpose(-1, -2) @ v
    return own if state is None else torch.addcmul(own, state, powers.whole)


def read(q: Tensor, k: Tensor, v: Tensor, powers: Powers, state: Tensor | None = None) -> Tensor:
    """What the queries of a chunk find in it and in the state before it: [..., h, n, e]."""
    own = (q @ k.transpose(-1, -2) * powers.between) @ v
    return own if state is None else own + (q * powers.since) @ state


class Angles(NamedTuple):
    cos: Tensor  # [..., n, e / 2]
    sin: Tensor


def angles(position: Tensor, size: int) -> Angles:
    """Rotations of heads of `size` numbers at token numbers [...]; in float64 until the end."""
    speed = 10_000.0 ** -torch.linspace(0, 1, size // 2, dtype=torch.float64, device=position.device)
    turned = position.double()[..., None] * speed
    return Angles(turned.cos().float(), turned.sin().float())


def rotated(x: Tensor, by: Angles) -> Tensor:
    """Pairs (2j, 2j + 1) of x [..., n, e] rotated by angle j."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * by.cos - odd * by.sin, odd * by.cos + even * by.sin], -1).flatten(-2)


def dropped(x: Tensor, share: float, generator: Generator | None) -> Tensor:
    """Dropout; without a generator nothing is dropped. One draw serves four numbers, 16 bits each: on a CPU drawing
    one by one took a fifth of an update."""
    if generator is None or not share:
        return x
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[: x.numel()].view_as(x)
    return x * (bits >= round(share * 2**16) - 2**15) / (1 - share)


class Layer(nn.Module):
    """x + MSR(LN(x)), then x + FFN(LN(x)); the retention's output is gated and normed per head and token."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.size, self.dropout = heads, width // heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=EPS), nn.LayerNorm(width, eps=EPS)
        self.query, self.key, self.value, self.gate, self.out = (nn.Linear(width, width) for _ in range(5))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for linear in (self.query, self.key, self.value, self.gate, self.out, self.up, self.down):
            nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.size)).transpose(-2, -3)

    def keys(self, normed: Tensor, by: Angles) -> tuple[Tensor, Tensor]:
        """Keys and values [..., h, n, e] of norm1(x)."""
        key = self._heads(self.key(normed)) / math.sqrt(self.size)
        return rotated(key, by), self._heads(self.value(normed))

    def forward(
        self,
        x: Tensor,
        normed: Tensor,
        keys: tuple[Tensor, Tensor],
        state: Tensor | None,
        powers: Powers,
        by: Angles,
        generator: Generator | None,
    ) -> Tensor:
        """The layer's output for tokens x [..., n, d] with what `keys` made of them and the state before them."""
        found = read(rotated(self._heads(self.query(normed)), by), *keys, powers, state)
        found = dropped(found, self.dropout, generator)
        found = functional.layer_norm(found, found.shape[-1:], eps=EPS)  # a group per head
        found = found.transpose(-2, -3).flatten(-2)
        x = x + dropped(self.out(functional.silu(self.gate(normed)) * found), self.dropout, generator)
        hidden = dropped(functional.silu(self.up(self.norm2(x))), self.dropout, generator)
        return x + dropped(self.down(hidden), self.dropout, generator)
