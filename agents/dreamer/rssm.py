"""The recurrent state-space model: a block GRU h and categorical latents z, predicted by the prior p(z | h) and
inferred by the posterior q(z | h, tokens)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.agents.common.categorical import draw, one_hot, straight_through, unimix
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.layers import BlockLinear, Linear, NormedLinear, RMSNorm, mlp, once


class Latent(NamedTuple):
    """A state of the model, or a batch or sequence of them."""

    deter: Tensor  # h [..., D]
    stoch: Tensor  # z [..., Z, C], one-hot in Z variables

    @property
    def feature(self) -> Tensor:
        """[..., D + Z C]: what every head sees."""
        return torch.cat([self.deter, self.stoch.flatten(-2)], dim=-1)


class RSSM(nn.Module):
    def __init__(self, config: DreamerConfig, actions: int, tokens: int):
        super().__init__()
        units, deter, flat = config.units, config.deter, config.latents * config.classes
        self.shape, self.deter, self.uniform = (config.latents, config.classes), deter, config.unimix
        self.from_deter = NormedLinear(deter, units)
        self.from_stoch = NormedLinear(flat, units)
        self.from_action = NormedLinear(actions, units)
        self.hidden = BlockLinear(deter + 3 * units * config.blocks, deter, config.blocks)
        self.norm = RMSNorm(deter)
        self.gates = BlockLinear(deter, 3 * deter, config.blocks)
        self.prior_layers = nn.Sequential(mlp(deter, units, 2), Linear(units, flat))
        self.posterior_layer, self.posterior_logits = NormedLinear(deter + tokens, units), Linear(units, flat)

    def initial(self, batch: int) -> Latent:
        device = self.norm.scale.device
        return Latent(torch.zeros(batch, self.deter, device=device), torch.zeros(batch, *self.shape, device=device))

    def prior(self, deter: Tensor) -> Tensor:
        """p(z | h) [..., Z, C]."""
        return unimix(self.prior_layers(deter).unflatten(-1, self.shape), self.uniform)

    def embed(self, action: Tensor) -> Tensor:
        """Previous actions [..., A] as the core takes them; beyond [-1, 1] they count as clipped."""
        return self.from_action(action / action.abs().clamp(min=1).detach())

    def weights(self) -> tuple[Tensor, Tensor]:
        """What `core` needs of `hidden`: fetched once for all steps of a sequence."""
        return self.hidden.cut(self.deter)

    def core(self, state: Latent, action: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        """h' [B, D] after the embedded action [B, units]. weights: from `weights`."""
        inputs = torch.cat([self.from_deter(state.deter), self.from_stoch(state.stoch.flatten(-2)), action], dim=-1)
        x = functional.silu(self.norm(self.hidden.forward_shared(state.deter, inputs, weights)))
        gates = self.gates(x).float().unflatten(-1, (self.gates.blocks, 3, -1))
        reset, candidate, update = (gate.flatten(-2) for gate in gates.unbind(-2))
        update = torch.sigmoid(update - 1)
        return torch.lerp(state.deter, torch.tanh(torch.sigmoid(reset) * candidate), update)

    def infer(
        self, state: Latent, tokens: Tensor, action: Tensor, first: Tensor, noise: Tensor | None
    ) -> tuple[Latent, Tensor]:
        """The posterior states of a sequence, and q [B, T, Z, C].

        state: before the sequence, [B, ...]. tokens [B, T, K]. action [B, T, A]: the one before each step. first bool
        [B, T]: a new episode; what came before counts as zero. noise [B, T, Z]: uniform in [0, 1), or None for modes.
        """
        going_on = (~first)[..., None].float()
        action = self.embed(action * going_on)
        linear = self.posterior_layer.linear
        from_deter, from_tokens = once(linear.weight).split([self.deter, tokens.shape[-1]], dim=1)
        tokens = functional.linear(tokens, from_tokens, linear.bias)
        deters, stochs, posteriors = [], [], []
        weights = self.weights()
        chances = [None] * tokens.shape[1] if noise is None else noise.unbind(1)
        steps = zip(tokens.unbind(1), action.unbind(1), going_on.unbind(1), chances, strict=True)
        for token, act, keep, chance in steps:
            deter = self.core(Latent(state.deter * keep, state.stoch * keep[..., None]), act, weights)
            x = functional.silu(self.posterior_layer.norm(token + functional.linear(deter, from_deter)))
            posterior = unimix(self.posterior_logits(x).unflatten(-1, self.shape), self.uniform)
            state = Latent(deter, straight_through(draw(posterior, chance), posterior))
            deters.append(deter)
            stochs.append(state.stoch)
            posteriors.append(posterior)
        return Latent(torch.stack(deters, 1), torch.stack(stochs, 1)), torch.stack(posteriors, 1)

    def dream(self, state: Latent, action: Tensor, noise: Tensor | None, weights: tuple[Tensor, Tensor]) -> Latent:
        """One step [B, ...] by the prior under actions [B, A]: its sample, or its mode where noise [B, Z] is None."""
        deter = self.core(state, self.embed(action), weights)
        prior = self.prior(deter)
        return Latent(deter, one_hot(draw(prior, noise), self.shape[1]))
