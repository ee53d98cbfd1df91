"""Imagination: the policy and the prior, from many states at once, differentiable from actions to features."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench.agents.common.rssm.model import RSSM, Latent


class Actor(nn.Module):
    """A policy on features. `forward` gives the parameters of its distribution, in a form of its own."""

    size: int  # A

    @abstractmethod
    def forward(self, feature: Tensor) -> Any: ...

    @abstractmethod
    def noise(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """What `sample` needs for `shape` actions."""

    @abstractmethod
    def sample(self, policy: Any, noise: Tensor) -> Tensor:
        """Actions [..., A] with gradients to the parameters."""

    @abstractmethod
    def mode(self, policy: Any, generator: Generator) -> Tensor:
        """The likeliest action [..., A]."""


def imagine(rssm: RSSM, actor: Actor, start: Latent, horizon: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Features [H + 1, N, F] from the states `start` [N, ...] on, and the actions [H, N, A] chosen on them.

    Gradients run from every feature back through the dynamics to the actions, and from those into the policy, but not
    through what the policy sees.
    """
    count = start.deter.shape[0]
    acting = actor.noise((horizon, count), generator)
    dreaming = rssm.latents.noise((horizon, count), generator)
    state, features, actions = start, [start.feature], []
    for act, dream in zip(acting.unbind(0), dreaming.unbind(0), strict=True):
        actions.append(actor.sample(actor(features[-1].detach()), act))
        state = rssm.dream(state, actions[-1], dream)
        features.append(state.feature)
    return torch.stack(features), torch.stack(actions)
