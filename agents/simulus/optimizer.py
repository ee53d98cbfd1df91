"""AdamW on clipped gradients, which skips a step whose gradients are not finite. Never waits for the device.

PyTorch's own kernel, without its optimiser classes: these import the compiler, as long as a short run takes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.agents.api import State

PATIENCE = 20  # steps skipped in a row: then training has diverged
BETAS, EPS = (0.9, 0.999), 1e-8


class Group:
    """Parameters of one weight decay."""

    def __init__(self, parameters: list[Tensor], decay: float):
        self.parameters, self.decay = parameters, decay
        self.first = [torch.zeros_like(p) for p in parameters]
        self.second = [torch.zeros_like(p) for p in parameters]


class AdamW:
    def __init__(self, groups: list[Group], rate: float, clip: float):
        """rate: of learning. clip: the largest norm of all gradients together."""
        self.groups, self.rate, self.clip = groups, rate, clip
        device = groups[0].parameters[0].device
        self.steps = torch.zeros((), device=device)  # float32, as the kernel wants it: exact up to 16.7 million
        self.skipped = torch.zeros((), device=device)  # in a row; stays at PATIENCE once there

    def step(self, loss: Tensor) -> dict[str, Tensor]:
        """Descend the loss, 0-d. Gives "gradient_norm", before clipping, and "skipped", 1 or 0."""
        raw = torch.autograd.grad(loss, [p for group in self.groups for p in group.parameters])
        with torch.no_grad():
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(raw)))
            gradients = torch._foreach_mul(raw, (self.clip / (norm + 1e-6)).clamp(max=1))
            strange = (~norm.isfinite()).float()
            self.steps += 1 - strange
            self.skipped.copy_(torch.where(self.skipped < PATIENCE, (self.skipped + 1) * strange, self.skipped))
            for group in self.groups:
                mine, gradients = gradients[: len(group.parameters)], gradients[len(group.parameters) :]
                torch._fused_adamw_(
                    group.parameters, mine, group.first, group.second, [], [self.steps] * len(mine),
                    lr=self.rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=group.decay, eps=EPS,
                    amsgrad=False, maximize=False, found_inf=strange,
                )  # fmt: skip
        return {"gradient_norm": norm, "skipped": strange}

    def state_dict(self) -> State:
        moments = [(group.first, group.second) for group in self.groups]
        return {"moments": moments, "steps": self.steps, "skipped": self.skipped}

    def load_state_dict(self, state: State) -> None:
        for group, (first, second) in zip(self.groups, state["moments"], strict=True):
            for held, saved in zip(group.first + group.second, [*first, *second], strict=True):
                held.copy_(saved)
        self.steps.copy_(state["steps"])
        self.skipped.copy_(state["skipped"])
