"""A generation rated in M's dream: all candidates and all their episodes as one batch, a few products a step.

The candidates of a generation dream from the same first frames with the same noise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from bench.agents.api import State
from bench.agents.common.capture import Capture
from bench.agents.world_models.controller import Controller, act, features, told
from bench.agents.world_models.mdn_rnn import IDLE, LOST, MDNRNN, Mixture, Recurrent


class Members(NamedTuple):
    """N members of a dream, and what all have got so far."""

    z: Tensor  # [N, Nz]
    state: Recurrent  # [N, hidden]
    alive: Tensor  # bool [N]
    returns: Tensor  # [P, R], of all candidates there were
    place: Tensor  # int64 [N]: of a member among all


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
        capture: Capture,
    ):
        self.net, self.controller, self.sees = net, controller, sees
        self.actions, self.choices, self.reward, self.temperature = actions, choices, reward, temperature
        self.unit = torch.ones((), device=net.kernel.device)  # of the reward head's outputs
        self.stepped = capture(self.step)

    def step(
        self, candidates: Tensor, members: Members, chance: tuple[Tensor, Tensor], width: int, begins: bool
    ) -> Members:
        """One decision of members that lie `width` to a candidate [P, size]; begins: their first one.

        chance: uniform [R, K, Nz] and normal [R, Nz] noise, which candidates share in each of their episodes.
        """
        net, (z, state, alive, returns, place) = self.net, members
        seen = features(self.sees, z, state.h, state.c).unflatten(0, (-1, width))
        u = self.controller(candidates, seen).flatten(0, 1)
        action = told(self.actions, act(self.actions, torch.tanh(u)), self.choices)
        first = torch.full_like(alive, begins)
        state = net.step(net.joined(z, action.to(u.dtype), first), state)
        ahead = net.predict(state.h)
        ended = torch.zeros_like(alive) if ahead.end is None else ahead.end > 0
        reward = torch.where(alive, self.rewards(ahead.reward, ended), 0).to(returns.dtype)
        returns = returns.view(-1).index_add(0, place, reward).view_as(returns)
        z = self._next(ahead.z, chance, width, place)
        return Members(z, state, alive & ~ended, returns, place)

    def _next(self, mixture: Mixture, chance: tuple[Tensor, Tensor], width: int, place: Tensor) -> Tensor:
        """z after the decision."""
        uniform, normal = chance
        if width == len(normal):  # whole: the noise broadcasts over candidates
            parts = Mixture(*(part.unflatten(0, (-1, width)) for part in mixture))
            return parts.sample(self.temperature, uniform, normal).flatten(0, 1)
        mine = place % len(normal)
        return mixture.sample(self.temperature, uniform[mine], normal[mine])

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
        """One decision of every member. The noise is drawn outside, so that one graph serves all generations."""
        net, rollouts = self.dreamer.net, self.returns.shape[1]
        kind: dict[str, Any] = {"generator": self.generator, "device": self.z.device, "dtype": self.z.dtype}
        uniform = torch.rand(rollouts, net.mixtures, net.latent, **kind).clamp_(1e-10, 1 - 1e-7)
        chance = uniform, torch.randn(rollouts, net.latent, **kind)
        members = Members(self.z, self.state, self.alive, self.returns, self.place)
        after = self.dreamer.stepped(self.candidates, members, chance, self.width, self.at == 0)
        self.z, self.state, self.alive, self.returns, _ = after
        self.at += 1

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
