"""Lambda-returns. Time is the last axis."""

from __future__ import annotations

import torch
from torch import Tensor


def lambda_returns(reward: Tensor, value: Tensor, discount: Tensor, lambda_: float | Tensor, last: Tensor) -> Tensor:
    """R_t = reward_t + discount_t [(1 - lambda_t) value_t + lambda_t R_{t+1}], with R after the end = `last` [...].

    All [..., T]; entry t holds what follows state t: the reward for leaving it, whether that goes on, and the value of
    the state it leads to. This is the alignment of DreamerV3; V1's and V2's differs in what is passed as entry t.
    """
    outputs = []
    interim = reward + discount * (1 - lambda_) * value
    decay = discount * lambda_
    for t in reversed(range(reward.shape[-1])):
        last = interim[..., t] + decay[..., t] * last
        outputs.append(last)
    return torch.stack(outputs[::-1], dim=-1)
