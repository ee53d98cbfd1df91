"""Intervals over runs, as Agarwal et al. 2021 (rliable) define them; runs, not episodes, are the unit.

Guarded here: a matrix must be complete and finite with its axes stated, fewer than FEW runs have no interval, numpy's
global generator is left alone. The arithmetic is in `bootstrap`, whose numbers are rliable's on the same resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.report import bootstrap

FEW = 3  # runs below which there is no interval
ENOUGH = 5  # runs below which an interval carries COVERAGE_NOTE
# docs/statistics.md: how it was simulated
COVERAGE_NOTE = "3 or 4 runs: a nominal 95 % interval covers about 70 % for one task's mean, 87 % for an IQM over tasks"


class Interval(NamedTuple):
    low: float
    high: float


class Estimate(NamedTuple):
    value: float
    interval: Interval | None  # None with fewer than FEW runs


AGGREGATES = ("IQM", "median", "mean", "optimality gap")


def _resampled_means(values: np.ndarray) -> np.ndarray:
    """The resampled means [REPS, P] of runs [N, P], each resample drawing whole runs."""
    drawn = bootstrap.resamples(np.arange(len(values))[:, None])[:, :, 0]
    return values[drawn].mean(axis=1)


def mean(values: Sequence[float]) -> Estimate:
    """The mean over runs of one task and its percentile bootstrap interval. ValueError for none or a non-finite one."""
    array = np.asarray(values, float)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"a mean needs a list of finite numbers, not {values!r}")
    if array.size < FEW:
        return Estimate(float(array.mean()), None)
    low, high = bootstrap.percentiles(_resampled_means(array[:, None]))[:, 0]
    return Estimate(float(array.mean()), Interval(float(low), float(high)))


def band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Pointwise interval (low [P], high [P]) of the mean of curves [N, P], resampling whole runs. None for N < FEW."""
    if len(values) < FEW:
        return None
    low, high = bootstrap.percentiles(_resampled_means(values))
    return low, high


def aggregates(matrix: np.ndarray, runs: int, tasks: int) -> dict[str, Estimate]:
    """IQM, median, mean and optimality gap of a complete matrix [runs, tasks] of normalised scores.

    `runs` and `tasks` are stated by the caller, so that swapped axes are an error. Intervals resample runs per task.
    """
    _check(matrix, runs, tasks)
    functions = (bootstrap.iqm, bootstrap.median, bootstrap.mean, bootstrap.optimality_gap)
    resampled = bootstrap.resamples(matrix) if runs >= FEW else None
    found = {}
    for name, function in zip(AGGREGATES, functions, strict=True):
        bounds = None if resampled is None else bootstrap.percentiles(function(resampled))
        found[name] = Estimate(float(function(matrix)), None if bounds is None else Interval(*map(float, bounds)))
    return found


def _check(matrix: np.ndarray, runs: int, tasks: int) -> None:
    if matrix.shape != (runs, tasks):
        raise ValueError(f"expected {runs} runs x {tasks} tasks, got an array of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("a runs x tasks matrix must be complete and finite")


class Profile(NamedTuple):
    """The fraction of runs above each level."""

    levels: np.ndarray  # [L]
    fraction: np.ndarray  # [L]
    band: tuple[np.ndarray, np.ndarray] | None  # low [L], high [L]; None with fewer than FEW runs


def profile(matrix: np.ndarray, runs: int, tasks: int, levels: np.ndarray) -> Profile:
    """Performance profile of a complete matrix [runs, tasks] of normalised scores at these levels."""
    _check(matrix, runs, tasks)
    fraction = bootstrap.profile(matrix, levels)
    if runs < FEW:
        return Profile(levels, fraction, None)
    low, high = bootstrap.percentiles(bootstrap.profile(bootstrap.resamples(matrix), levels))
    return Profile(levels, fraction, (low, high))


def improvement(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Probability that a run of x [runs, tasks] beats one of y [other runs, tasks] on a task, averaged over tasks.

    ValueError where the tasks differ in number. No interval where either side has fewer than FEW runs.
    """
    _check(x, len(x), x.shape[1])
    _check(y, len(y), x.shape[1])
    value, resampled = bootstrap.improvement(x, y)
    few = min(len(x), len(y)) < FEW
    return Estimate(value, None if few else Interval(*map(float, bootstrap.percentiles(resampled))))


def deviation(values: Sequence[float]) -> float | None:
    """The sample deviation (ddof 1), None of fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


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
