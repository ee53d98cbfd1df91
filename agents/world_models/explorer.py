"""The random policies whose episodes V and M learn from. White noise hardly moves a car: each holds on to something."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.agents.api import State
from bench.agents.world_models.controller import act

SCALE = 0.01  # upper end of the deviations that an episode's weights are drawn with [O]
INPUTS = 32  # numbers of the noise that takes z's place [O]
HOLD = 10  # decisions that an action is held, at most [O]
DT = 1 / 50  # of Brownian motion


class Explorer:
    """E environments at once. Every call draws the same numbers whatever is `first`, so episodes do not touch."""

    def __init__(self, policy: str, actions: str, outputs: int, envs: int):
        self.policy, self.actions, self.outputs, self.envs = policy, actions, outputs, envs
        self.weight = torch.zeros(envs, outputs, INPUTS + 1)  # of an episode under "cauchy", the bias last
        self.held = torch.zeros(envs, outputs)  # the last action
        self.left = torch.zeros(envs, dtype=torch.long)  # decisions that it is still held

    def __call__(self, first: Tensor, generator: Generator) -> Tensor:
        """Actions as the task takes them; rows where `first` bool [E] is true start afresh."""
        return getattr(self, f"_{self.policy}")(first, generator)

    def _cauchy(self, first: Tensor, generator: Generator) -> Tensor:
        """The released code's untrained agent: z is noise, h is 0, and C's weights are s Cauchy(0, 1), s ~ U(0, 0.01)
        anew in each episode."""
        scale = SCALE * torch.rand(self.envs, 1, 1, generator=generator)
        drawn = scale * torch.empty(self.weight.shape).cauchy_(generator=generator)
        self.weight = torch.where(first[:, None, None], drawn, self.weight)
        noise = torch.randn(self.envs, INPUTS, 1, generator=generator)
        u = torch.bmm(self.weight[..., :-1], noise)[..., 0] + self.weight[..., -1]
        return act(self.actions, torch.tanh(u))

    def _brownian(self, first: Tensor, generator: Generator) -> Tensor:
        """A walk in the box of actions, of deviation sqrt(1/50) per decision."""
        start = self._drawn(generator)
        moved = self.held + DT**0.5 * torch.randn(self.held.shape, generator=generator)
        self.held = torch.where(first[:, None], start, moved.clamp(-1, 1))
        return self._taken(self.held)

    def _hold(self, first: Tensor, generator: Generator) -> Tensor:
        """A uniform action, held for 1 to 10 decisions."""
        start = self._drawn(generator)
        length = torch.randint(1, HOLD + 1, (self.envs,), generator=generator)
        over = first | (self.left == 0)
        self.held = torch.where(over[:, None], start, self.held)
        self.left = torch.where(over, length, self.left) - 1
        return self._taken(self.held)

    def _uniform(self, first: Tensor, generator: Generator) -> Tensor:
        return self._taken(self._drawn(generator))

    def _drawn(self, generator: Generator) -> Tensor:
        return 2 * torch.rand(self.envs, self.outputs, generator=generator) - 1

    def _taken(self, box: Tensor) -> Tensor:
        """These three fill the whole box, a racing car's brake included."""
        return act("box" if self.actions == "racing" else self.actions, box)

    def state_dict(self) -> State:
        return {"weight": self.weight.clone(), "held": self.held.clone(), "left": self.left.clone()}

    def load_state_dict(self, state: State) -> None:
        self.weight, self.held, self.left = (state[name].clone() for name in ("weight", "held", "left"))


POLICIES = ("cauchy", "hold", "brownian", "uniform")
