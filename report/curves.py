"""Learning curves over frames: measured ones from rows, published ones from the shipped data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from bench.report import statistics
from bench.report.rules import Point
from bench.report.scores import Row, Scored
from bench.results import published
from bench.results.schema import Suite

BINS = 40  # of training episodes and of published curves over what a figure shows


class Line(NamedTuple):
    """One agent's curve. `seeds` are single runs; the mean is over complete ones (empty where there are fewer than
    two), the band its 95 % interval, None for too few runs."""

    label: str
    kind: str  # "evaluation" | "training"
    frames: np.ndarray  # [P], of the mean
    mean: np.ndarray  # [P]
    band: tuple[np.ndarray, np.ndarray] | None  # low [P], high [P]
    seeds: tuple[tuple[np.ndarray, np.ndarray], ...]  # (frames, values) of each run
    source: str = ""  # of a published curve


def measured(row: Row, name: str) -> Line:
    """The row's runs up to its target, evaluations where the rule is about them, else training episodes in bins."""
    series, complete = [], []
    for one in row.runs:
        if shown := points(row, one):
            series.append((np.array([p.frames for p in shown], float), np.array([p.value for p in shown], float)))
            complete += series[-1:] if one.complete else []
    frames, values = _common(complete if len(complete) > 1 else [])
    return Line(name, row.rule.partition("@")[0], frames, values.mean(axis=0), statistics.band(values), tuple(series))


def points(row: Row, one: Scored) -> list[Point]:
    """What is drawn of one run: up to the row's target, where late evaluations count as at it."""
    trained = row.rule.startswith("training")
    found = one.history.training if trained else one.history.evaluation
    shown = [point for point in found if point.frames <= row.target * 1.1]
    return _binned(shown, row.target) if trained else shown


def _common(series: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The points that all runs have, (frames [P], values [N, P]): a mean over changing sets of runs would jump."""
    if not series:
        return np.empty(0), np.empty((1, 0))
    shared = set.intersection(*(set(frames.tolist()) for frames, _ in series))
    frames = np.array(sorted(shared))
    return frames, np.array([[dict(zip(f, v, strict=True))[at] for at in frames] for f, v in series])


def _binned(points: Iterable[Point], end: float) -> list[Point]:
    """Means over BINS equal bins of (0, end]; a bin stands at its right edge, frame 0 alone, empty bins are absent."""
    bins: dict[int, list[float]] = {}
    for point in points:
        bins.setdefault(int(np.ceil(point.frames / end * BINS)), []).append(point.value)
    return [Point(round(k * end / BINS), float(np.mean(values)), len(values)) for k, values in sorted(bins.items())]


def quoted(suite: Suite, task: str, end: float) -> list[Line]:
    """Published curves of the suite's agents from frame 0 to `end`, of those with two points there or more.

    With a band where three seeds or more are public; the mean is then over the bins that all of them have.
    """
    found = []
    curves = published.curves(task)
    for name in suite.published:
        mine = [curve for curve in curves if published.label(curve) == name]
        binned = [_binned(_upto(curve, end), end) for curve in mine]
        series = [(np.array([p.frames for p in one], float), np.array([p.value for p in one])) for one in binned if one]
        frames, values = _common(series)
        if len(frames) >= 2:
            band = statistics.band(values)
            found.append(Line(name, mine[0].rule, frames, values.mean(axis=0), band, (), mine[0].source))
    return found


def _upto(curve: published.Curve, end: float) -> list[Point]:
    pairs = zip(curve.frames, curve.values, strict=True)
    return [Point(frames, value, 1) for frames, value in pairs if frames <= end]
