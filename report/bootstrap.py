"""The stratified bootstrap over runs, all resamples at once: rliable's numbers on rliable's draws, without its loops.

Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice. A matrix is [runs, tasks], a
resample draws as many runs with replacement, per task anew. The functions of resamples take [..., runs, tasks].
"""

from __future__ import annotations

import numpy as np

REPS = 2000  # bootstrap resamples
SEED = 20260101
LEVEL = 0.95


def resamples(matrix: np.ndarray, reps: int = REPS, seed: int = SEED) -> np.ndarray:
    """Resamples [reps, runs, tasks]; the draws are those of rliable after numpy.random.seed(seed)."""
    runs, tasks = matrix.shape
    drawn = np.random.RandomState(seed).choice(runs, (reps, runs, tasks), replace=True)
    return matrix[drawn, np.arange(tasks)]


def percentiles(resampled: np.ndarray) -> np.ndarray:
    """(low, high) of the central LEVEL over the first axis."""
    tail = 100 * (1 - LEVEL) / 2
    return np.percentile(resampled, [tail, 100 - tail], axis=0)


def iqm(scores: np.ndarray) -> np.ndarray:
    """The mean of the middle half of all runs of all tasks; a quarter is cut from each side, rounded down."""
    flat = scores.reshape(*scores.shape[:-2], -1)
    cut = flat.shape[-1] // 4
    return np.sort(flat, axis=-1)[..., cut : flat.shape[-1] - cut].mean(axis=-1)


def median(scores: np.ndarray) -> np.ndarray:
    """The median over tasks of each task's mean."""
    return np.median(scores.mean(axis=-2), axis=-1)


def mean(scores: np.ndarray) -> np.ndarray:
    return scores.mean(axis=-2).mean(axis=-1)


def optimality_gap(scores: np.ndarray) -> np.ndarray:
    """How far all runs stay below 1 on average, a score above 1 counting as 1."""
    return 1 - np.minimum(scores, 1).mean(axis=(-2, -1))


def profile(scores: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The fraction of all runs of all tasks above each level, [..., levels]."""
    flat = scores.reshape(*scores.shape[:-2], -1)
    return np.stack([(flat > level).mean(axis=-1) for level in levels], axis=-1)


def improvement(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """P(a run of x beats a run of y on a task), a tie counting half, averaged over tasks: its value and REPS resamples.

    x [runs, tasks], y [other runs, tasks]. The draws are rliable's: x's, then y's, resample by resample.
    """
    wins = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])  # [X, Y, tasks]
    generator = np.random.RandomState(SEED)
    drawn = [[generator.choice(len(one), one.shape, replace=True) for one in (x, y)] for _ in range(REPS)]
    of_x = _times_drawn(np.stack([one for one, _ in drawn]), len(x))
    of_y = _times_drawn(np.stack([one for _, one in drawn]), len(y))
    against = np.einsum("tra,abt->trb", of_x, wins, optimize=True)
    resampled = (against * of_y).sum(axis=-1).mean(axis=0) / (len(x) * len(y))
    return float(wins.mean()), resampled


def _times_drawn(drawn: np.ndarray, runs: int) -> np.ndarray:
    """Draws [REPS, runs, tasks] as how often each run was drawn, [tasks, REPS, runs]."""
    reps, _, tasks = drawn.shape
    cell = (np.arange(tasks) * reps + np.arange(reps)[:, None])[:, None] * runs + drawn
    return np.bincount(cell.ravel(), minlength=tasks * reps * runs).reshape(tasks, reps, runs).astype(float)
