"""Which segments the world model trains on: a share by the errors they had, the others uniformly. numpy only."""

from __future__ import annotations

import math

import numpy as np

from bench.agents.api import State

UNSEEN = 10.0  # the priority of a segment that was never trained on: far above what errors come to


class Priorities:
    """One number per row of a replay of one environment, by the row's number: that of the segment it opens."""

    def __init__(self) -> None:
        self.values = np.full(1024, UNSEEN, np.float32)

    def of(self, rows: np.ndarray) -> np.ndarray:
        self._reach(rows)
        return self.values[rows]

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        self._reach(rows)
        self.values[rows] = values

    def _reach(self, rows: np.ndarray) -> None:
        while len(self.values) <= rows.max():
            self.values = np.concatenate([self.values, np.full_like(self.values, UNSEEN)])

    def state_dict(self) -> State:
        return {"values": self.values.copy()}

    def load_state_dict(self, state: State) -> None:
        self.values = state["values"].copy()


def drawn(rng: np.random.Generator, priority: np.ndarray, batch: int, share: float) -> np.ndarray:
    """int64 [batch]: different indices of priority [N], in random order.

    ceil(share x batch) of them are drawn from softmax(priority) without replacement (the largest of priority + Gumbel
    noise), the others uniformly from the rest. ValueError where N < batch.
    """
    count = math.ceil(round(share * batch, 9))
    keys = priority + rng.gumbel(size=len(priority))
    first = np.argpartition(-keys, min(count, len(keys) - 1))[:count]
    others = rng.choice(len(priority), batch, replace=False)
    others = others[~np.isin(others, first)][: batch - count]
    return rng.permutation(np.concatenate([first, others]))
