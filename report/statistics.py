"""Intervals over runs. rliable (Agarwal et al. 2021) is the engine; this module guards what it does not.

rliable draws from numpy's global generator (seeded here and given back), takes only complete runs x tasks matrices and
accepts swapped axes silently (checked here). Intervals of one mean, of which a page needs hundreds, take a vectorised
path that gives the same numbers on the same resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

REPS = 2000  # bootstrap resamples
SEED = 20260101
LEVEL = 0.95
FEW = 3  # runs below which there is no interval
ENOUGH = 5  # runs below which a nominal 95 % interval covers only about 85-90 %
COVERAGE_NOTE = "3 or 4 runs: a nominal 95 % bootstrap interval covers only about 85-90 % there"


class Interval(NamedTuple):
    low: float
    high: float


class Estimate(NamedTuple):
    value: float
    interval: Interval | None  # None with fewer than FEW runs


AGGREGATES = ("IQM", "median", "mean", "optimality gap")


def _resample(values: np.ndarray) -> np.ndarray:
    """The REPS resampled means [REPS, P] of runs [N, P], each resample drawing whole runs.

    For P = 1 the draws are those of rliable's StratifiedBootstrap after numpy.random.seed(SEED).
    """
    runs = len(values)
    drawn = np.random.RandomState(SEED).choice(runs, (REPS, runs), replace=True)
    return values[drawn].mean(axis=1)


def _percentiles(resampled: np.ndarray) -> np.ndarray:
    tail = 100 * (1 - LEVEL) / 2
    return np.percentile(resampled, [tail, 100 - tail], axis=0)


def mean(values: Sequence[float]) -> Estimate:
    """The mean over runs of one task and its percentile bootstrap interval. ValueError for none or a non-finite one."""
    array = np.asarray(values, float)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"a mean needs a list of finite numbers, not {values!r}")
    if array.size < FEW:
        return Estimate(float(array.mean()), None)
    low, high = _percentiles(_resample(array[:, None]))[:, 0]
    return Estimate(float(array.mean()), Interval(float(low), float(high)))


def band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Pointwise interval (low [P], high [P]) of the mean of curves [N, P], resampling whole runs. None for N < FEW."""
    if len(values) < FEW:
        return None
    low, high = _percentiles(_resample(values))
    return low, high


@contextmanager
def _seeded_global_generator() -> Iterator[None]:
    state = np.random.get_state()
    np.random.seed(SEED)
    try:
        yield
    finally:
        np.random.set_state(state)


def aggregates(matrix: np.ndarray, runs: int, tasks: int) -> dict[str, Estimate]:
    """IQM, median, mean and optimality gap of a complete matrix [runs, tasks] of normalised scores.

    `runs` and `tasks` are stated by the caller, so that swapped axes are an error. Intervals resample runs per task.
    """
    from rliable import library, metrics

    if matrix.shape != (runs, tasks):
        raise ValueError(f"expected {runs} runs x {tasks} tasks, got an array of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("a runs x tasks matrix must be complete and finite")
    functions = (
        metrics.aggregate_iqm,
        metrics.aggregate_median,
        metrics.aggregate_mean,
        metrics.aggregate_optimality_gap,
    )

    def all_of(scores: np.ndarray) -> np.ndarray:
        return np.array([function(scores) for function in functions])

    if runs < FEW:
        return {name: Estimate(float(value), None) for name, value in zip(AGGREGATES, all_of(matrix), strict=True)}
    with _seeded_global_generator():
        points, intervals = library.get_interval_estimates(
            {"": matrix}, all_of, reps=REPS, confidence_interval_size=LEVEL
        )
    bounds = intervals[""].T.tolist()
    return {
        name: Estimate(float(value), Interval(*bound))
        for name, value, bound in zip(AGGREGATES, points[""], bounds, strict=True)
    }


def of_means(means: Sequence[float]) -> dict[str, Estimate]:
    """Median and mean over tasks of each task's mean over runs: all there is where single runs are not known."""
    array = np.asarray(means, float)
    return {"median": Estimate(float(np.median(array)), None), "mean": Estimate(float(array.mean()), None)}


class Complete(NamedTuple):
    """A complete runs x tasks matrix cut from what there is, and in words what was left out by which rule."""

    matrix: np.ndarray  # [runs, tasks]
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    left_out: str


def complete(scores: Mapping[str, Mapping[int, float]]) -> Complete | None:
    """{task: {seed: normalised score}} -> what every task has. None where fewer than 2 tasks or no seed remain.

    The rule: tasks without any score are left out first, then seeds that one of the remaining tasks lacks.
    """
    tasks = tuple(task for task in sorted(scores) if scores[task])
    if len(tasks) < 2:
        return None
    every = sorted(set().union(*(scores[task] for task in tasks)))
    seeds = tuple(seed for seed in every if all(seed in scores[task] for task in tasks))
    if not seeds:
        return None
    without = [task for task in sorted(scores) if not scores[task]]
    notes = [f"task {', '.join(without)} (no score)"] if 0 < len(without) <= 3 else []
    if len(without) > 3:
        notes.append(f"{len(without)} tasks (no score)")
    for seed in every:
        if lacking := [task for task in tasks if seed not in scores[task]]:
            notes.append(f"seed {seed} (none on {', '.join(lacking[:3])}{' and others' if len(lacking) > 3 else ''})")
    matrix = np.array([[scores[task][seed] for task in tasks] for seed in seeds])
    return Complete(matrix, seeds, tasks, "left out: " + "; ".join(notes) if notes else "")
