"""Tokens of stored frames, kept until the tokenizer changes: between its updates a frame is drawn many times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bench.agents.api import State
from bench.agents.common.transfer import tensor

CHUNK = 256  # frames encoded at once: what bounds the encoder's memory


class FrameTokens:
    """By the number of the row that holds the frame, in a replay of one environment. The host knows which are known, so
    that nothing here waits for the device. Part of a checkpoint: in another batch a frame may get other last bits."""

    def __init__(self, tokens: int, device: str):
        """`tokens`: per frame."""
        self.device = device
        self.tokens = torch.zeros(1024, tokens, dtype=torch.int32, device=device)
        self.known = np.zeros(1024, bool)

    def of(self, rows: np.ndarray, images: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """int64 [N, K] of the frames uint8 [N, H, W, C] in rows [N]; `encode` gives those [n, K] of frames [n, ...]."""
        while len(self.known) <= rows.max():
            self.tokens = torch.cat([self.tokens, torch.zeros_like(self.tokens)])
            self.known = np.concatenate([self.known, np.zeros_like(self.known)])
        unknown = np.flatnonzero(~self.known[rows])
        _, first = np.unique(rows[unknown], return_index=True)
        for at in range(0, len(first), CHUNK):
            some = unknown[first[at : at + CHUNK]]
            self.tokens[self._index(rows[some])] = encode(images[self._index(some)]).int()
            self.known[rows[some]] = True
        return self.tokens[self._index(rows)].long()

    def forget(self) -> None:
        self.known[:] = False

    def _index(self, rows: np.ndarray) -> Tensor:
        return tensor(rows, self.device)

    def state_dict(self) -> State:
        held = int(self.known.nonzero()[0].max(initial=-1)) + 1
        return {"tokens": self.tokens[:held].clone(), "known": self.known[:held].copy()}

    def load_state_dict(self, state: State) -> None:
        held = len(state["known"])
        size = max(1024, 1 << (held - 1).bit_length()) if held else 1024
        self.tokens = self.tokens.new_zeros(size, self.tokens.shape[1])
        self.tokens[:held], self.known = state["tokens"].to(self.device), np.zeros(size, bool)
        self.known[:held] = state["known"]
