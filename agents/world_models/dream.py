"""A generation rated in M's dream: all candidates and all their episodes as one batch, a few products a step.

The candidates of a generation dream from the same first frames with the same noise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from bench.agents.api import State
from bench.agents.world_models.controller import Controller, act, features, told
from bench.agents.world_models.mdn_rnn import IDLE, LOST, MDNRNN, Mixture, Recurrent


class Dreamer:
    """What all dreams of a run share: M, C's form, the task's rules."""

    def __init__(
        self,
        net: MDNRNN,
        controller: Controller,
        sees: str,
        actions: str,
        choices: int,
        reward: str,
        temperature: float,
    ):
        self.net, self.controller, self.sees = net, controller, sees
        self.actions, self.choices, self.reward, self.temperature = actions, choices, reward, temperature
        self.unit = torch.ones((), device=net.kernel.device)  # of the reward head's outputs

    def rewards(self, outputs: Tensor | None, ended: Tensor) -> Tensor:
        """What a decision pays [...], of M's outputs [..., n]; `ended` bool [...]: it ended the episode."""
        if self.reward == "alive":
            return torch.ones_like(ended, dtype=self.unit.dtype)
        assert outputs is not None
        if self.reward == "linear":
            return self.unit * outputs[..., 0]
        touched = (torch.softmax(outputs, dim=-1) * torch.arange(outputs.shape[-1], device=outputs.device)).sum(-1)
        return torch.where(ended, LOST, IDLE + self.unit * touched)


class Dream:
    """P candidates x R episodes. `advance` them until `over`; then `returns` [P, R]."""

    def __init__(
        self, dreamer: Dreamer, candidates: Tensor, start: tuple[Tensor, Tensor], seed: int, horizon: int, rollouts: int
    ):
        """candidates: flat controllers [P, size]; start: mu and logvar [M, Nz] of first frames."""
        self.dreamer, self.candidates, self.horizon = dreamer, candidates, horizon
        device, (count, size) = candidates.device, (len(candidates), dreamer.net.latent)
        self.generator = Generator(device).manual_seed(seed)
        chosen = torch.randint(len(start[0]), (rollouts,), generator=self.generator, device=device)
        noise = torch.randn(rollouts, size, generator=self.generator, device=device, dtype=candidates.dtype)
        z = start[0][chosen] + torch.exp(start[1][chosen] / 2) * noise
        self.z = z.to(candidates.dtype).repeat(count, 1)  # [P R, Nz], as everything here
        self.state = dreamer.net.initial(count * rollouts)
        self.alive = torch.ones(count * rollouts, dtype=torch.bool, device=device)
        self.returns = torch.zeros(count, rollouts, device=device, dtype=candidates.dtype)
        self.place = torch.arange(count * rollouts, device=device)  # of a member among all
        self.width = rollouts  # members of each candidate that are still carried
        self.at = 0

    @property
    def over(self) -> bool:
        return self.at == self.horizon or not bool(self.alive.any())

    @torch.no_grad()
    def advance(self, steps: int) -> None:
        """So many decisions, and no wait for the device; then drop members, where half of them are dead."""
        for _ in range(min(steps, self.horizon - self.at)):
            self.step()
        if int(self.alive.sum()) * 2 < len(self.alive):
            self.compact()

    def step(self) -> None:
        """One decision of every member."""
        dreamer, net, rollouts = self.dreamer, self.dreamer.net, self.returns.shape[1]
        seen = features(dreamer.sees, self.z, self.state.h, self.state.c).unflatten(0, (-1, self.width))
        u = dreamer.controller(self.candidates, seen).flatten(0, 1)
        action = told(dreamer.actions, act(dreamer.actions, torch.tanh(u)), dreamer.choices)
        first = torch.full_like(self.alive, self.at == 0)
        self.state = net.step(net.joined(self.z, action.to(u.dtype), first), self.state)
        ahead = net.predict(self.state.h)
        ended = torch.zeros_like(self.alive) if ahead.end is None else ahead.end > 0
        reward = dreamer.rewards(ahead.reward, ended)
        self.returns.view(-1).index_add_(0, self.place, torch.where(self.alive, reward, 0).to(self.returns.dtype))
        self.alive = self.alive & ~ended
        self.z = self._next(ahead.z, rollouts)
        self.at += 1

    def _next(self, mixture: Mixture, rollouts: int) -> Tensor:
        """z after the decision: candidates share the noise of each of their episodes."""
        dtype, device, net = self.z.dtype, self.z.device, self.dreamer.net
        chance: dict[str, Any] = {"generator": self.generator, "device": device, "dtype": dtype}
        uniform = torch.rand(rollouts, net.mixtures, net.latent, **chance).clamp_(1e-10, 1 - 1e-7)
        normal = torch.randn(rollouts, net.latent, **chance)
        if self.width == rollouts:  # whole: the noise broadcasts over candidates
            parts = Mixture(*(part.unflatten(0, (-1, rollouts)) for part in mixture))
            return parts.sample(self.dreamer.temperature, uniform, normal).flatten(0, 1)
        mine = self.place % rollouts
        return mixture.sample(self.dreamer.temperature, uniform[mine], normal[mine])

    def compact(self) -> None:
        """Drop candidates that are dead in all episodes; of the others keep as many members as the liveliest has."""
        alive = self.alive.unflatten(0, (-1, self.width))
        living = alive.any(1).nonzero()[:, 0]
        if not len(living):
            return
        width = int(alive.sum(1).max())
        kept = alive[living].to(torch.int8).topk(width, dim=1).indices.sort(dim=1).values
        members = (living[:, None] * self.width + kept).flatten()
        self.candidates = self.candidates[living]
        self.z, self.alive, self.place = self.z[members], self.alive[members], self.place[members]
        self.state, self.width = Recurrent(self.state.h[members], self.state.c[members]), width

    def state_dict(self) -> State:
        tensors = {name: getattr(self, name).clone() for name in _TENSORS}
        state = {"h": self.state.h.clone(), "c": self.state.c.clone(), "generator": self.generator.get_state()}
        return {**tensors, **state, "at": self.at, "width": self.width}

    def load_state_dict(self, state: State) -> None:
        for name in _TENSORS:
            setattr(self, name, state[name].to(self.z.device))
        self.state = Recurrent(state["h"].to(self.z.device), state["c"].to(self.z.device))
        self.generator.set_state(state["generator"].cpu())
        self.at, self.width = state["at"], state["width"]


_TENSORS = ("candidates", "z", "alive", "returns", "place")
