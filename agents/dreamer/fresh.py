"""Which windows an update trains on: new ones once and in order, then any."""

from __future__ import annotations

import numpy as np

from bench.agents.api import State
from bench.agents.common.replay import SequenceReplay


class Fresh:
    """The online queue over a replay: windows of `length` steps and the step before them.

    Each environment's stream is cut into consecutive windows, every one of whose steps is new (the step before the
    first is the stream's very first). They are handed out once; when none waits, windows are drawn uniformly.
    """

    def __init__(self, replay: SequenceReplay, length: int):
        self.replay, self.length = replay, length
        self.queue: list[list[int]] = []  # (environment, first row)
        self.next = replay.heads  # int64 [E]: the first row of each environment's next window

    def add(self) -> None:
        """Rows were added."""
        for env in np.flatnonzero(self.replay.heads > self.next + self.length):
            while self.replay.heads[env] > self.next[env] + self.length:
                self.queue.append([int(env), int(self.next[env])])
                self.next[env] += self.length

    def draw(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """int64 [batch, 2]: first rows of windows of length + 1 rows."""
        held = self.replay.tails
        fresh: list[list[int]] = []
        while self.queue and len(fresh) < batch:
            env, row = self.queue.pop(0)
            if row >= held[env]:
                fresh.append([env, row])
        ids = self.replay.draw(rng, batch - len(fresh), self.length + 1)
        return np.concatenate([np.array(fresh, np.int64).reshape(-1, 2), ids])

    def state_dict(self) -> State:
        return {"queue": [list(item) for item in self.queue], "next": self.next.copy()}

    def load_state_dict(self, state: State) -> None:
        self.queue, self.next = [list(item) for item in state["queue"]], state["next"].copy()
