"""LaProp with adaptive gradient clipping, as DreamerV3 uses it: Adam's normalisation before the momentum, not after."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from bench.agents.api import State


class LaProp:
    """Steps on the gradients of all `parameters` at once. Never waits for the device.

    clip: largest norm of a parameter tensor's gradient, relative to the tensor's own (at least 1e-3).
    learning_rate rises from 0 over `warmup` updates.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float,
        warmup: int,
        clip: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-20,
    ):
        self.parameters = list(parameters)
        self.learning_rate, self.warmup, self.clip, self.betas, self.eps = learning_rate, warmup, clip, betas, eps
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.momenta = [torch.zeros_like(p) for p in self.parameters]
        self.steps = torch.zeros((), device=self.parameters[0].device)  # float32: exact up to 16.7 million updates

    @torch.no_grad()
    def step(self, gradients: list[Tensor]) -> Tensor:
        """One update; `gradients` are overwritten. Returns their global norm before clipping, a 0-d tensor."""
        beta1, beta2 = self.betas
        norms = torch.stack(torch._foreach_norm(gradients))
        sizes = torch.stack(torch._foreach_norm(self.parameters))
        excess = (norms / (self.clip * sizes.clamp(min=1e-3))).clamp(min=1)
        torch._foreach_div_(gradients, list(excess.unbind()))

        rate = self.learning_rate * (self.steps / self.warmup).clamp(max=1)
        self.steps += 1
        torch._foreach_mul_(self.squares, beta2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - beta2)
        scales = torch._foreach_div(self.squares, 1 - beta2**self.steps)
        torch._foreach_sqrt_(scales)
        torch._foreach_add_(scales, self.eps)
        torch._foreach_div_(gradients, scales)
        torch._foreach_lerp_(self.momenta, gradients, 1 - beta1)
        steps = torch._foreach_mul(self.momenta, rate / (1 - beta1**self.steps))
        torch._foreach_sub_(self.parameters, steps)
        return norms.norm()

    def state_dict(self) -> State:
        return {"squares": self.squares, "momenta": self.momenta, "steps": self.steps}

    def load_state_dict(self, state: State) -> None:
        self.steps.copy_(state["steps"])
        for mine, saved in ((self.squares, state["squares"]), (self.momenta, state["momenta"])):
            for tensor, value in zip(mine, saved, strict=True):
                tensor.copy_(value)
