"""What a latent state is, how it is predicted and how a prediction is judged: codes, or plain numbers (ablations).

All latents are flat, [..., D]; in codes of d slots D = b * d, channel first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench.agents.dcmpc.config import DCMPCConfig
from bench.agents.dcmpc.fsq import FSQ


class Latents(nn.Module, ABC):
    """`encoded` makes a latent of D raw numbers. The dynamics puts out `outputs` numbers, of which `after` makes the
    next latent and `loss` the distance to the one that was seen."""

    fsq: FSQ | None
    size: int  # D
    outputs: int
    stochastic = False

    @abstractmethod
    def encoded(self, raw: Tensor) -> Tensor: ...

    @abstractmethod
    def after(self, output: Tensor, how: str, generator: Generator) -> Tensor: ...

    @abstractmethod
    def loss(self, output: Tensor, after: Tensor, seen: Tensor) -> Tensor: ...


class Numbers(Latents):
    """Latents predicted as numbers: they pass the encoder's own bottleneck, and squared errors judge them."""

    def __init__(self, config: DCMPCConfig):
        super().__init__()
        self.fsq = FSQ(config.levels) if config.bottleneck == "fsq" else None
        self.group = config.group if config.bottleneck == "simnorm" else 0
        self.channels = len(config.levels)
        self.size = self.outputs = self.channels * config.slots

    def encoded(self, raw: Tensor) -> Tensor:
        if self.fsq is not None:
            return self.fsq(raw.unflatten(-1, (self.channels, -1))).flatten(-2)
        if self.group:
            return raw.unflatten(-1, (-1, self.group)).softmax(-1).flatten(-2)
        return raw

    def after(self, output: Tensor, how: str, generator: Generator) -> Tensor:
        return self.encoded(output)

    def loss(self, output: Tensor, after: Tensor, seen: Tensor) -> Tensor:
        return (after - seen).square().mean(-1)


class Codes(Latents):
    """Latents predicted as one distribution over the codebook per slot, all slots independent: logits [..., K, d]."""

    fsq: FSQ

    def __init__(self, config: DCMPCConfig):
        super().__init__()
        self.fsq = FSQ(config.levels)
        self.channels, self.slots = len(config.levels), config.slots
        self.size, self.outputs = self.channels * self.slots, self.fsq.codes * self.slots
        self.stochastic = True
        with_sum = torch.cat([self.fsq.table, torch.ones(1, self.fsq.codes)])
        self.register_buffer("with_sum", with_sum, persistent=False)
        self.register_buffer("places", torch.arange(self.fsq.codes, dtype=torch.float32)[:, None], persistent=False)

    with_sum: Tensor  # [b + 1, K]: the codes, and ones that add up what they are weighed by
    places: Tensor  # float32 [K, 1]: 0 ... K - 1

    def encoded(self, raw: Tensor) -> Tensor:
        return self.fsq(raw.unflatten(-1, (self.channels, self.slots))).flatten(-2)

    def after(self, output: Tensor, how: str, generator: Generator) -> Tensor:
        """The expected code; or a drawn or the likeliest one, whose gradient is the expected one's (straight through).

        Drawn as in a Gumbel-softmax of temperature 1: the first of exponential clocks to ring.
        """
        logits = output.unflatten(-1, (self.fsq.codes, self.slots))
        weights = (logits - logits.amax(-2, keepdim=True).detach()).exp()
        if how == "sample":
            chance = torch.rand(weights.shape, generator=generator, device=weights.device)
            weights = weights / -chance.clamp_(min=1e-10).log_()  # three times as fast as torch's exponential_
        expected = self.weighed(weights)
        if how == "expected":
            return expected.flatten(-2)
        chosen = self.fsq.code(self.likeliest(weights))
        return (chosen + (expected - expected.detach())).flatten(-2)

    def likeliest(self, weights: Tensor) -> Tensor:
        """The first of the largest of weights [..., K, d], int64 [..., d]: argmax, written out for speed on a CPU. Of
        weights that are no numbers, the last code."""
        best = weights.amax(-2, keepdim=True)
        return torch.where(weights == best, self.places, self.fsq.codes - 1).amin(-2).long()

    def weighed(self, weights: Tensor) -> Tensor:
        """Mean codes [..., b, d] under weights [..., K, d], which need not add up to 1."""
        sums = self.with_sum @ weights
        return sums[..., :-1, :] / sums[..., -1:, :]

    def loss(self, output: Tensor, after: Tensor, seen: Tensor) -> Tensor:
        """Cross-entropy [B] with the codes that were seen [B, D], a mean over slots."""
        logits = output.unflatten(-1, (self.fsq.codes, self.slots))
        index = self.fsq.index(seen.unflatten(-1, (self.channels, self.slots)))
        return functional.cross_entropy(logits, index, reduction="none").mean(-1)


def latents(config: DCMPCConfig) -> Latents:
    return Codes(config) if config.consistency == "cross-entropy" else Numbers(config)
