"""Batches for recurrent models that begin every sequence with an empty state: windows within finished episodes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from bench.agents.common.replay import SequenceReplay


class Batch(NamedTuple):
    """B sequences of T steps. Action, reward and flags are those of arriving at a step's observation."""

    observation: dict[str, Tensor]  # each [B, T, ...], as stored
    action: Tensor  # float32 [B, T, A]: the one before each observation, one-hot where discrete; zero where first
    reward: Tensor  # float32 [B, T]; zero where first
    first: Tensor  # bool [B, T]: the episode's first observation
    terminal: Tensor  # bool [B, T]: the environment ended the episode here


def draw(
    replay: SequenceReplay, rng: np.random.Generator, batch: int, length: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Observations as the replay gathers them, and the other fields of a Batch, [B, T, ...], actions as stored.

    A row of the replay holds the action that left its observation, so those before the windows' first rows are fetched
    apart. (Where that row was dropped, the oldest one held counts as an episode's first.)
    """
    ids, _ = replay.draw_finished(rng, batch, length)
    window = replay.gather(ids, length)
    earlier = np.stack([ids[:, 0], np.maximum(ids[:, 1] - 1, replay.tails[ids[:, 0]])], axis=1)
    before = replay.gather(earlier, 1)
    known = (earlier[:, 1] < ids[:, 1])[:, None] & ~window.first[:, :1]

    def arriving(name: str) -> np.ndarray:
        row = getattr(before, name)
        mask = known.reshape(known.shape + (1,) * (row.ndim - 2))
        return np.concatenate([row * mask.astype(row.dtype), getattr(window, name)[:, :-1]], axis=1)

    fields = {
        "action": arriving("action"),
        "reward": arriving("reward"),
        "first": np.concatenate([~known, np.zeros_like(window.first[:, 1:])], axis=1),
        "terminal": window.terminated & window.last,
    }
    return window.observation, fields
