"""M: an LSTM that says, as a mixture of Gaussians per number of z, what is seen next."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

LOG_SD = 7.0  # bound of the log standard deviations: a number of z that hardly varies would drive the loss to -inf [D]
TILES = 4  # classes of the reward head of CarRacing: 0, 1, 2, and 3 or more tiles touched by a decision [D]
IDLE = -0.1  # what a decision costs in CarRacing
LOST = -100.0  # what leaving the field costs there, in place of that decision's reward
REWARD_OUTPUTS = {"none": 0, "alive": 0, "tiles": TILES, "linear": 1}


class Recurrent(NamedTuple):
    """The LSTM's state, each [N, hidden]."""

    h: Tensor
    c: Tensor

    def where(self, keep: Tensor) -> Recurrent:
        """Zero where `keep` float [N] is 0."""
        return Recurrent(self.h * keep[:, None], self.c * keep[:, None])


class Mixture(NamedTuple):
    """K Gaussians for each number of z, each [..., K, Nz]."""

    logits: Tensor
    mean: Tensor
    log_sd: Tensor

    def nll(self, target: Tensor) -> Tensor:
        """-log p of z [..., Nz], per number, in nats. float32, whatever the products were computed in."""
        logits, mean, log_sd = (part.float() if part.dtype != torch.float64 else part for part in self)
        error = (target[..., None, :] - mean) * torch.exp(-log_sd)
        density = -0.5 * error.square() - log_sd - 0.5 * math.log(2 * math.pi)
        return -torch.logsumexp(torch.log_softmax(logits, dim=-2) + density, dim=-2)

    def sample(self, temperature: float, uniform: Tensor, normal: Tensor) -> Tensor:
        """z [..., Nz]: a component of softmax(logits / tau), and its Gaussian with tau times the variance.

        uniform [..., K, Nz] in (0, 1), normal [..., Nz], or of shapes that broadcast to these: all the chance there is.
        """
        chosen = self._chosen(self.logits / temperature - torch.log(-torch.log(uniform)))
        return chosen.mean + torch.exp(chosen.log_sd) * (math.sqrt(temperature) * normal)

    def _chosen(self, score: Tensor) -> Mixture:
        """The component of the highest score, [..., Nz]: K - 1 comparisons, far cheaper than an argmax over so few."""
        parts = [self.mean, self.log_sd]
        best, *held = (part[..., 0, :] for part in (score, *parts))
        for k in range(1, score.shape[-2]):
            better = score[..., k, :] > best
            best = torch.where(better, score[..., k, :], best)
            held = [torch.where(better, part[..., k, :], kept) for part, kept in zip(parts, held, strict=True)]
        return Mixture(best, *held)

    @property
    def expected(self) -> Tensor:
        """E[z], [..., Nz]."""
        return (torch.softmax(self.logits, dim=-2) * self.mean).sum(-2)


class Prediction(NamedTuple):
    """After one decision: the next z, whether the episode ends (logit [...]), what was paid (outputs [..., n])."""

    z: Mixture
    end: Tensor | None
    reward: Tensor | None


class MDNRNN(nn.Module):
    """LSTM with one bias per gate and a linear head. Inputs are z, the action, and with `end` whether an episode
    starts; outputs the end's logit, the mixtures, the reward's outputs, in this order.

    422,368 parameters for CarRacing (32, 3, 256), 1,678,785 for Take Cover (64, 1, 512, with `end`).
    """

    def __init__(self, latent: int, actions: int, hidden: int, mixtures: int, end: bool, reward: str):
        super().__init__()
        self.latent, self.hidden, self.mixtures, self.end = latent, hidden, mixtures, end
        self.inputs = latent + actions + end
        self.sizes = [int(end), 3 * mixtures * latent, REWARD_OUTPUTS[reward]]
        self.kernel = nn.Parameter(torch.empty(self.inputs + hidden, 4 * hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.head = nn.Linear(hidden, sum(self.sizes))
        for weight in (self.kernel, self.head.weight):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.head.bias)
        nn.init.ones_(self.bias[hidden : 2 * hidden])  # gates lie as input, forget, cell, output

    def initial(self, count: int) -> Recurrent:
        zeros = self.kernel.new_zeros(count, self.hidden)
        return Recurrent(zeros, zeros)

    def joined(self, z: Tensor, action: Tensor, first: Tensor) -> Tensor:
        """Inputs [..., I] of z [..., Nz], actions [..., A] and flags [...]: an episode starts here."""
        return torch.cat([z, action, first[..., None].to(z.dtype)] if self.end else [z, action], dim=-1)

    def step(self, inputs: Tensor, state: Recurrent) -> Recurrent:
        """The state after inputs [N, I]."""
        return self._gated(torch.addmm(self.bias, torch.cat([inputs, state.h], dim=1), self.kernel), state)

    def forward(self, inputs: Tensor, first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """h [T, N, hidden] after each of the inputs [T, N, I], and the last state. Where an episode starts (first
        [T, N]), the state before it is zero."""
        outside, inside = self.kernel.split([self.inputs, self.hidden])
        ahead, keep = (inputs @ outside + self.bias).unbind(0), (~first).to(inputs.dtype).unbind(0)
        hidden = []
        for gates, kept in zip(ahead, keep, strict=True):
            state = state.where(kept)
            state = self._gated(torch.addmm(gates, state.h, inside), state)
            hidden.append(state.h)
        return torch.stack(hidden), state

    @staticmethod
    def _gated(gates: Tensor, state: Recurrent) -> Recurrent:
        enter, keep, cell, leave = gates.chunk(4, dim=-1)
        c = torch.sigmoid(keep) * state.c + torch.sigmoid(enter) * torch.tanh(cell)
        return Recurrent(torch.sigmoid(leave) * torch.tanh(c), c)

    def predict(self, h: Tensor) -> Prediction:
        """What follows a state h [..., hidden]."""
        end, mixture, reward = self.head(h).split(self.sizes, dim=-1)
        logits, mean, log_sd = mixture.unflatten(-1, (3, self.mixtures, self.latent)).unbind(-3)
        return Prediction(
            Mixture(logits, mean, log_sd.clamp(-LOG_SD, LOG_SD)),
            end[..., 0] if self.sizes[0] else None,
            reward if self.sizes[2] else None,
        )
