"""Epsilon-greedy with a schedule over agent steps, never over the budget."""

from __future__ import annotations

import numpy as np


def epsilon(agent_steps: int, start: float, end: float, steps: int) -> float:
    """Linear from `start` to `end` over `steps` agent steps, then constant."""
    return start + (end - start) * min(agent_steps / steps, 1.0)


def greedy_or_random(greedy: np.ndarray, choices: int, chance: float, rng: np.random.Generator) -> np.ndarray:
    """Per environment, with probability `chance`, uniform choices in place of `greedy` int64 [E, dimensions]."""
    explore = rng.random(len(greedy)) < chance
    return np.where(explore[:, None], rng.integers(choices, size=greedy.shape), greedy)
