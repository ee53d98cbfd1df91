"""Adam on gradients whose global norm is clipped, for agents that train several parts on several losses."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from bench.agents.api import State


class ClippedAdam:
    """One part's optimiser. decay: how much of every parameter is lost per step, whatever the rate."""

    def __init__(self, parameters: Iterable[Tensor], rate: float, eps: float, clip: float, decay: float = 0.0):
        self.parameters, self.clip = list(parameters), clip
        self.adam = torch.optim.AdamW(
            self.parameters, lr=rate, eps=eps, weight_decay=decay / rate, fused=True, capturable=True
        )

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Of this part alone: what the loss passes through on its way stays as it is."""
        return list(torch.autograd.grad(loss, self.parameters))

    @torch.no_grad()
    def step(self, gradients: list[Tensor]) -> Tensor:
        """One step; the gradients' norm before clipping, 0-d. Never waits for the device."""
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        torch._foreach_mul_(gradients, self.clip / norm.clamp(min=self.clip))
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.adam.step()
        self.adam.zero_grad()
        return norm

    def state_dict(self) -> State:
        return self.adam.state_dict()

    def load_state_dict(self, state: State) -> None:
        self.adam.load_state_dict(state)
