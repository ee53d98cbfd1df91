"""Sample efficiency: the IQM over runs and tasks on the way, against frames, updates or hours of the clock."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bench.report import bootstrap, curves, statistics
from bench.report.look import Series
from bench.report.scores import Row, Scored
from bench.report.snapshot import Entrant, View

Axis = Literal["frames", "updates", "hours"]
AXES: tuple[Axis, ...] = ("frames", "updates", "hours")
POINTS = 21  # of a curve
REPS = 500  # bootstrap resamples a point; 2,000 for a single number

_Curve = tuple[np.ndarray, np.ndarray]  # x [P], normalised score [P]


def curve(view: View, entrant: Entrant, axis: Axis, number: int) -> Series | str:
    """IQM and interval as far as every run has got, or in words why there is none.

    Between a run's points its score is taken on the straight line; a diverged run counts as the random policy from
    where it stopped.
    """
    rows = {row.task: row for row in entrant.rows}
    by_task = []  # [tasks][runs]
    for task in entrant.complete.tasks:
        by_seed = {one.seed: one for one in rows[task].runs}
        by_task.append([_curve(view, rows[task], by_seed[seed], axis) for seed in entrant.complete.seeds])
    whole = [one for line in by_task for one in line if isinstance(one, tuple)]
    if not whole or any(one is None for line in by_task for one in line):
        return f"{view.name(entrant)}: the {axis} of some runs are not known"
    start, end = max(x[0] for x, _ in whole), min(x[-1] for x, _ in whole)
    if end <= 0:
        return f"{view.name(entrant)} makes no updates"
    if start >= end:
        return f"{view.name(entrant)}: fewer than two points that all its runs share"
    shared = set.intersection(*(set(x.tolist()) for x, _ in whole))
    grid = np.array(sorted(shared)) if axis == "frames" and len(shared) > 1 else np.linspace(start, end, POINTS)
    grid = grid[np.unique(np.linspace(0, len(grid) - 1, min(POINTS, len(grid))).round().astype(int))]
    values = np.stack([np.stack([_at(grid, one) for one in line]) for line in by_task], axis=1)  # [runs, tasks, P]
    band = None
    if len(values) >= statistics.FEW:
        intervals = [
            bootstrap.percentiles(bootstrap.iqm(bootstrap.resamples(values[..., k], REPS))) for k in range(len(grid))
        ]
        low, high = np.array(intervals).T
        band = low, high
    middle = np.array([float(bootstrap.iqm(values[..., k])) for k in range(len(grid))])
    return Series(number, view.name(entrant), grid, middle, band)


def _curve(view: View, row: Row, one: Scored, axis: Axis) -> _Curve | float | None:
    """A run's curve; of a diverged run the level it counts as; None where its hours are not known."""
    if not one.complete:
        return row.by_seed()[one.seed]
    assert row.references is not None  # or it would have no part in a matrix of normalised scores
    low, high = row.references
    raw = one.history.evaluation if row.rule.startswith("evaluation") else one.history.training
    points = curves.points(row, one)
    x = np.array([point.frames for point in points], float)
    values = (np.array([point.value for point in points]) - low) / (high - low)
    frames = [point.frames for point in raw]
    if axis == "updates":
        x = np.interp(x, frames, [point.updates for point in raw])
    elif axis == "hours":
        clock = view.clocks.get(one.run.path)
        if clock is None:
            return None
        x = np.interp(np.interp(x, frames, [point.tick for point in raw]), clock.ticks, clock.hours)
    return x, values


def _at(grid: np.ndarray, one: _Curve | float | None) -> np.ndarray:
    if isinstance(one, tuple):
        return np.interp(grid, *one)
    return np.full(len(grid), one, float)
