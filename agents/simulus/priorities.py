"""Which segments the world model trains on: a share by the errors they had, the others uniformly."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.agents.api import State

UNSEEN = 10.0  # the priority of a segment that was never trained on: far above what errors come to


class Noted(NamedTuple):
    """Errors of an update, on their way from the device."""

    rows: np.ndarray  # int64 [B]
    errors: Tensor  # float32 [B], on the host
    copied: torch.cuda.Event | None  # when they are there; None where they are


class Priorities:
    """One number per row of a replay of one environment, by the row's number: that of the segment it opens.

    An update's errors count from the draw after the next one on: by then they have arrived, and the host need not wait
    for the device. On every device alike, so that all draw the same.
    """

    def __init__(self) -> None:
        self.values = np.full(1024, UNSEEN, np.float32)
        self.noted: deque[Noted] = deque()

    def of(self, rows: np.ndarray) -> np.ndarray:
        """float32 [N], for the next draw from rows [N]."""
        while len(self.noted) > 1:
            self._write(self.noted.popleft())
        self._reach(rows)
        return self.values[rows]

    def note(self, rows: np.ndarray, errors: Tensor) -> None:
        """What an update found of rows [B]: errors [B], on its device. Does not wait for them."""
        host = torch.empty(errors.shape, dtype=errors.dtype, pin_memory=errors.is_cuda)
        host.copy_(errors, non_blocking=True)
        copied = None
        if errors.is_cuda:
            copied = torch.cuda.Event()
            copied.record()
        self.noted.append(Noted(rows, host, copied))

    def _write(self, noted: Noted) -> None:
        """Errors that are not finite leave what was there: their update was skipped."""
        if noted.copied is not None:
            noted.copied.synchronize()
        self._reach(noted.rows)
        errors = noted.errors.numpy()
        self.values[noted.rows] = np.where(np.isfinite(errors), errors, self.values[noted.rows])

    def _reach(self, rows: np.ndarray) -> None:
        while len(self.values) <= rows.max():
            self.values = np.concatenate([self.values, np.full_like(self.values, UNSEEN)])

    def state_dict(self) -> State:
        for noted in self.noted:
            if noted.copied is not None:
                noted.copied.synchronize()
        return {"values": self.values.copy(), "noted": [(rows, errors.clone()) for rows, errors, _ in self.noted]}

    def load_state_dict(self, state: State) -> None:
        self.values = state["values"].copy()
        self.noted = deque(Noted(rows, errors.cpu(), None) for rows, errors in state["noted"])


def drawn(rng: np.random.Generator, priority: np.ndarray, batch: int, share: float) -> np.ndarray:
    """int64 [batch]: different indices of priority [N], in random order.

    ceil(share x batch) of them are drawn from softmax(priority) without replacement (the largest of priority + Gumbel
    noise), the others uniformly from the rest. ValueError where N < batch.
    """
    count = math.ceil(round(share * batch, 9))
    # Gumbel noise is -ln of exponential noise; numpy draws that three times as fast, and in float32.
    keys = priority - np.log(rng.standard_exponential(len(priority), dtype=np.float32))
    first = np.argpartition(-keys, min(count, len(keys) - 1))[:count]
    others = rng.choice(len(priority), batch, replace=False)
    others = others[~np.isin(others, first)][: batch - count]
    return rng.permutation(np.concatenate([first, others]))
