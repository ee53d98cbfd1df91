"""The recurrent state-space model of PlaNet, DreamerV1 and V2: a deterministic state h that a GRU carries on, and a
stochastic one z that is predicted from h by the prior p(z | h) and inferred by the posterior q(z | h, tokens).

What z is distributed like (`Latents`) and the GRU cell are what the generations changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional


class Latent(NamedTuple):
    """A state of the model, or a batch or sequence of them."""

    deter: Tensor  # h [..., D]
    stoch: Tensor  # z [..., Z], a sample

    @property
    def feature(self) -> Tensor:
        """[..., D + Z]: what every head sees."""
        return torch.cat([self.deter, self.stoch], dim=-1)


class Latents(ABC):
    """A family of distributions of z. `raw` [..., outputs] is what a linear layer puts out for one of them."""

    size: int  # Z, of a sample
    outputs: int

    @abstractmethod
    def noise(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """What `sample` needs for samples of `shape`."""

    @abstractmethod
    def sample(self, raw: Tensor, noise: Tensor | None) -> Tensor:
        """z [..., Z] with gradients to `raw`; the mode where there is no noise."""

    @abstractmethod
    def divergence(self, raw: Tensor, other: Tensor) -> Tensor:
        """KL(raw || other) [...] in nats, summed over the latents."""


class RSSM(nn.Module):
    """x = act(W [z, a]); h' = cell(x, h); p = W act(W h'); q = W act(W [h', tokens])."""

    def __init__(
        self,
        latents: Latents,
        cell: nn.Module,
        deter: int,
        hidden: int,
        actions: int,
        tokens: int,
        activation: type[nn.Module],
    ):
        super().__init__()
        self.latents, self.deter, self.activation = latents, deter, activation()
        self.joined = nn.Linear(latents.size + actions, hidden)
        self.cell = cell  # (input [B, hidden], h [B, D]) -> h'
        self.prior_hidden, self.prior_raw = nn.Linear(deter, hidden), nn.Linear(hidden, latents.outputs)
        self.posterior_hidden = nn.Linear(deter + tokens, hidden)
        self.posterior_raw = nn.Linear(hidden, latents.outputs)

    def initial(self, batch: int) -> Latent:
        device = self.joined.weight.device
        sizes = (self.deter, self.latents.size)
        return Latent(*(torch.zeros(batch, size, device=device) for size in sizes))

    def prior(self, deter: Tensor) -> Tensor:
        """Raw p(z | h) [..., outputs]."""
        return self.prior_raw(self.activation(self.prior_hidden(deter)))

    def core(self, state: Latent, action: Tensor) -> Tensor:
        """h' [B, D] after actions [B, A]."""
        return self.cell(self.activation(self.joined(torch.cat([state.stoch, action], dim=-1))), state.deter)

    def infer(
        self, state: Latent, tokens: Tensor, action: Tensor, first: Tensor, noise: Tensor | None
    ) -> tuple[Latent, Tensor]:
        """The posterior states of a sequence, and raw q [B, T, outputs].

        state: before the sequence, [B, ...]. tokens [B, T, K]. action [B, T, A]: the one before each step. first bool
        [B, T]: a new episode; what came before counts as zero. noise [B, T, ...] of the latents, or None for modes.
        """
        keep = (~first)[..., None].float()
        hidden = self.posterior_hidden
        from_deter, from_tokens = hidden.weight.split([self.deter, tokens.shape[-1]], dim=1)
        seen = functional.linear(tokens, from_tokens, hidden.bias)  # of all steps at once, outside the loop
        chances = [None] * tokens.shape[1] if noise is None else noise.unbind(1)
        states, raws = [], []
        steps = zip(seen.unbind(1), (action * keep).unbind(1), keep.unbind(1), chances, strict=True)
        for token, act, going_on, chance in steps:
            deter = self.core(Latent(state.deter * going_on, state.stoch * going_on), act)
            raws.append(self.posterior_raw(self.activation(token + functional.linear(deter, from_deter))))
            state = Latent(deter, self.latents.sample(raws[-1], chance))
            states.append(state)
        return stacked(states, 1), torch.stack(raws, 1)

    def dream(self, state: Latent, action: Tensor, noise: Tensor | None) -> Latent:
        """One step [B, ...] by the prior under actions [B, A]."""
        deter = self.core(state, action)
        return Latent(deter, self.latents.sample(self.prior(deter), noise))


def stacked(states: list[Latent], axis: int) -> Latent:
    return Latent(*(torch.stack(parts, axis) for parts in zip(*states, strict=True)))
