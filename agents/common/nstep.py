"""n-step targets on windows that may cross the end of an episode. numpy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.agents.common.replay import Sequences


class NStep(NamedTuple):
    """For the first row of each of B windows: target = reward + discount * value(observation at row `row`)."""

    reward: np.ndarray  # float32 [B]: sum of discount**k * r_k up to the n-th step or the episode's end
    discount: np.ndarray  # float32 [B]: discount**steps, 0 where the environment ended the episode
    row: np.ndarray  # int64 [B]: the row to bootstrap from
    valid: np.ndarray  # bool [B]: False where the first row has no decision (the episode's last observation)


def n_step(window: Sequences, discount: float) -> NStep:
    """Targets over the n = L - 1 decisions of windows [B, L]; shorter where the episode ends before.

    Time limits and cuts bootstrap from the last observation, terminations do not. A window over an episode that has no
    last row (a stopped one) is not valid.
    """
    steps = window.reward.shape[1] - 1
    alive = np.logical_and.accumulate(~window.last[:, :-1], axis=1)
    powers = discount ** np.arange(steps + 1)
    taken = alive.sum(axis=1)
    over = window.terminated[np.arange(len(taken)), np.maximum(taken - 1, 0)]
    stopped = (window.first[:, 1:] & ~window.last[:, :-1]).any(axis=1)
    return NStep(
        reward=(window.reward[:, :-1] * alive * powers[:-1]).sum(axis=1).astype(np.float32),
        discount=np.where(over, 0, powers[taken]).astype(np.float32),
        row=taken,
        valid=(taken > 0) & ~stopped,
    )
