"""Lambda-returns in the alignment of DreamerV1 and V2: a state's return holds the reward for having arrived there."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.agents.common.returns import lambda_returns


def arrival_returns(reward: Tensor, value: Tensor, discount: Tensor, lambda_: float, bootstrap: Tensor) -> Tensor:
    """R_t = reward_t + discount_t [(1 - lambda) value_{t+1} + lambda R_{t+1}], where what comes after the end is
    `bootstrap` [...]. All [..., T]; entry t is what is predicted at state t itself.

    DreamerV3's alignment, in which a state's return leaves out its own reward, is `returns.lambda_returns` called with
    what is predicted at the state after.
    """
    following = torch.cat([value[..., 1:], bootstrap[..., None]], dim=-1)
    return lambda_returns(reward, following, discount, lambda_, bootstrap)
