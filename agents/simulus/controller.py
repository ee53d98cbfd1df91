"""The module C: what tokens show, an LSTM with explicit state, policy and value."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from gymnasium import spaces
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench.agents.api import Task
from bench.agents.common.categorical import draw, entropy
from bench.agents.common.layers import NormedLinear
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.hlgauss import HLGauss
from bench.agents.simulus.tokenizers import Tokenizers


class Decision(NamedTuple):
    """What the controller makes of an observation, for N environments or dreams."""

    logprob: Tensor  # [N, A, choices]: of each dimension of the action; A is 1 where it is discrete
    value: Tensor  # [N, bins]: logits


class Body(nn.Module):
    """Encoder, fuser and LSTM. The LSTM takes two steps a decision: on the observation, then on the action."""

    def __init__(self, config: SimulusConfig, tokenizers: Tokenizers, task: Task):
        super().__init__()
        layout = tokenizers.layout
        self.grid = layout.grid
        sizes = [config.width, *config.channels] if layout.pixels else [0]
        convolutions: list[nn.Module] = []
        for a, b in pairwise(sizes):
            convolutions += [nn.Conv2d(a, b, 3, padding=1), nn.SiLU()]
        self.convolutions = nn.Sequential(*convolutions)
        fused = [sizes[-1] * prod(layout.grid) + layout.numbers, *config.fuser]
        self.fuser = nn.Sequential(*(NormedLinear(a, b, functional.silu) for a, b in pairwise(fused)))
        self.lstm = nn.LSTMCell(fused[-1], config.lstm)
        self.embed_action = (
            nn.Embedding(int(task.action.n), fused[-1])
            if isinstance(task.action, spaces.Discrete)
            else nn.Linear(spaces.flatdim(task.action), fused[-1])
        )

    def encoded(self, shown: dict[str, Tensor]) -> Tensor:
        """[N, F] of an image's codes [N, K, d] and the vectors' levels [N, numbers]."""
        parts = []
        if "image" in shown:
            parts.append(self.convolutions(shown["image"].transpose(1, 2).unflatten(2, self.grid)).flatten(1))
        if "vector" in shown:
            parts.append(shown["vector"])
        return self.fuser(torch.cat(parts, dim=1))

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """The state [N, 2, lstm] (h, c) after one more input [N, F]."""
        return torch.stack(self.lstm(x, (state[:, 0], state[:, 1])), dim=1)


class Controller(nn.Module):
    """States are tensors [N, bodies, 2, lstm]; episodes begin with zeros."""

    def __init__(self, config: SimulusConfig, tokenizers: Tokenizers, task: Task):
        super().__init__()
        self.layout, self.levels, self.size = tokenizers.layout, tokenizers.levels, config.lstm
        self.choices = tokenizers.choices
        self.bodies = nn.ModuleList(Body(config, tokenizers, task) for _ in range(2 if config.separate else 1))
        self.actor = nn.Linear(config.lstm, self.layout.acted * self.choices)
        self.critic = HLGauss(config.lstm)

    def initial(self, batch: int) -> Tensor:
        return self.actor.weight.new_zeros(batch, len(self.bodies), 2, self.size)

    def shown(self, tokens: Tensor, codes: Tensor | None) -> dict[str, Tensor]:
        """What the bodies see of observed tokens [N, K]."""
        parts = self.layout.split(tokens)
        shown = {} if codes is None else {"image": codes[parts["image"]]}
        if "vector" in parts:
            shown["vector"] = self.levels.values(parts["vector"])
        return shown

    def see(self, tokens: Tensor, codes: Tensor | None, state: Tensor) -> Tensor:
        """The state after an observation's tokens [N, K]."""
        shown = self.shown(tokens, codes)
        return self.step([body.encoded(shown) for body in self.bodies], state)  # type: ignore[operator]

    def do(self, action: Tensor, state: Tensor) -> Tensor:
        """The state after an action, int64 [N] or float32 [N, A]."""
        return self.step([body.embed_action(action) for body in self.bodies], state)  # type: ignore[operator]

    def step(self, inputs: list[Tensor], state: Tensor) -> Tensor:
        """The state after one input [N, F] per body."""
        pairs = zip(self.bodies, inputs, state.unbind(1), strict=True)
        return torch.stack([body.step(x, part) for body, x, part in pairs], dim=1)  # type: ignore[operator]

    def decide(self, state: Tensor) -> Decision:
        """After an observation was seen."""
        logits = self.actor(state[:, 0, 0]).unflatten(-1, (self.layout.acted, self.choices))
        return Decision(logits.log_softmax(-1), self.critic(state[:, -1, 0]))


def sampled(decision: Decision, generator: Generator, temperature: float = 1.0) -> Tensor:
    """An action's tokens int64 [N, A]."""
    logprob = decision.logprob if temperature == 1 else (decision.logprob / temperature).log_softmax(-1)
    noise = torch.rand(logprob.shape[:-1], generator=generator, device=generator.device)
    return draw(logprob.exp(), noise)


def log_probability(decision: Decision, action: Tensor) -> Tensor:
    """Of an action's tokens [N, A]: the mean over its dimensions, [N]."""
    return decision.logprob.gather(-1, action[..., None])[..., 0].mean(-1)


def mean_entropy(decision: Decision) -> Tensor:
    """Nats [N], the mean over the action's dimensions."""
    return entropy(decision.logprob).mean(-1)
