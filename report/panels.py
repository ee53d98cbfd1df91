"""One task's learning curves, measured ones beside published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.report import curves, published, tables
from bench.report.curves import Line
from bench.report.look import (
    MARKERS,
    MUTED,
    PALETTE,
    QUOTED,
    Edge,
    Look,
    Panel,
    Series,
    quoted_dash,
    tick,
    with_markers,
)
from bench.report.published import Quoted
from bench.report.scores import Row
from bench.report.snapshot import View

CROWD = 4  # agents above which only their means and bands are drawn: single runs would hide them


def of(view: View, task: str, looks: Mapping[str, Look]) -> Panel:
    """A task's panel: evaluations over frames, or training episodes in bins, as the score rule says."""
    rows = [row for row in view.rows if row.task == task]
    end = max(row.target for row in rows)
    lines = [curves.measured(row, view.name(row)) for row in rows]
    drawn = curves.quoted(view.suite, task, end) if view.suite else []
    quoted = published.quoted(view.suite, task) if view.suite else []
    apart = [one for one in quoted if one.label not in {line.label for line in drawn}]
    spreads = [ends for one in apart if (ends := _spread(one))]
    levels = [Edge(one.estimate.value, one.label, True) for one in apart] + _references(view, rows[0])

    def onto(axes: Axes) -> None:
        for line in lines:
            _measured(axes, line, looks[line.label], single=len(lines) <= CROWD or line.band is None)
        for line in drawn:
            dash = quoted_dash(_place(view, line.label))
            axes.plot(line.frames, line.mean, color=MUTED, lw=1.1, ls=dash, zorder=2, gid=QUOTED)
            if line.band is not None:
                axes.fill_between(line.frames, *line.band, color=MUTED, alpha=0.14, lw=0, zorder=1.5, gid=QUOTED)
        for level in levels:
            dash = quoted_dash(_place(view, level.label)) if level.quoted else (0, (1, 2))
            gid = QUOTED if level.quoted else None
            axes.axhline(level.value, color=MUTED, lw=0.9, ls=dash, zorder=1, gid=gid)
        for number, ends in enumerate(spreads):
            x = end * (0.995 - 0.02 * number)
            axes.plot([x, x], ends, color=MUTED, lw=3, alpha=0.35, solid_capstyle="butt", zorder=2, gid=QUOTED)
        axes.set_xlim(0, end * 1.005)
        axes.margins(y=0.06)
        axes.set_xlabel("frames", labelpad=2)
        axes.set_ylabel(rows[0].unit, labelpad=3)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(tick))
            axis.set_major_locator(MaxNLocator(5))

    alt = f"Learning curves on {task}: " + "; ".join(
        f"{view.name(row)} {tables.text(row.estimate)} at {row.frames or 'no'} frames" for row in rows
    )
    series = [each for line in lines for each in _series(line, looks[line.label])]
    series += [Series(None, line.label, line.frames, line.mean, line.band) for line in drawn]
    edges = [Edge(float(line.mean[-1]), line.label, True) for line in drawn] + levels
    return Panel(task, onto, alt, tuple(series), edges=tuple(edges))


def _place(view: View, label: str) -> int:
    return view.suite.published.index(label) if view.suite else 0


def _spread(one: Quoted) -> tuple[float, float] | None:
    """The interval of a published score where its seeds are public, else its deviation on either side."""
    if one.estimate.interval:
        return one.estimate.interval
    return (one.estimate.value - one.std, one.estimate.value + one.std) if one.std is not None else None


def _references(view: View, row: Row) -> list[Edge]:
    if view.suite is None or not row.references:
        return []
    pairs = zip(view.suite.reference_names, row.references, strict=True)
    return [Edge(value, label, False) for label, value in pairs]


def _series(line: Line, look: Look) -> list[Series]:
    if len(line.frames):
        return [Series(look.number, line.label, line.frames, line.mean, line.band)]
    return [
        Series(look.number, line.label if len(line.seeds) == 1 else f"{line.label}, run {n + 1}", *seed)
        for n, seed in enumerate(line.seeds)
    ]


def _measured(axes: Axes, line: Line, look: Look, single: bool) -> None:
    colour, marker = PALETTE[look.colour], MARKERS[look.marker]
    few = line.band is None
    for frames, values in line.seeds if single else ():
        alone: dict[str, Any] = {"marker": marker, "ms": 3, "alpha": 0.65} if few else {"alpha": 0.3}
        axes.plot(frames, values, color=colour, lw=0.7, zorder=3, gid=look.gid, **alone)
    if line.band is not None:
        axes.fill_between(line.frames, *line.band, color=colour, alpha=0.18, lw=0, zorder=3, gid=look.gid)
    if len(line.frames) == 1:  # one evaluation makes no line: a point with its interval, also on the right edge
        if line.band is not None:
            interval = np.ravel(line.band)
            axes.plot(line.frames.repeat(2), interval, color=colour, lw=1.2, clip_on=False, zorder=4, gid=look.gid)
        axes.plot(line.frames, line.mean, **look.line(ls="", marker=marker, ms=4.5, clip_on=False, zorder=4))
    elif len(line.frames):
        with_markers(axes, line.frames, line.mean, look)
