"""The figures by name: what `bench plot` writes and the page shows. Each is a list of panels drawn from one view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.report import bootstrap, costs, efficiency, look, panels, snapshot, statistics, tables
from bench.report.look import FAINT, INK, MARKERS, MUTED, PALETTE, QUOTED, Edge, Look, Panel, Series, short, tick
from bench.report.snapshot import Aggregate, Entrant, View
from bench.results.schema import Suite

Looks = Mapping[str, Look]

WIDE = 0.68  # inches left of the axes, for numbers such as -0.05 beside the name of what they are


class Unavailable(ValueError):
    """This figure cannot be drawn from these runs; the message says why in one sentence."""


def aggregates(view: View, looks: Looks) -> list[Panel]:
    """IQM, median, mean and optimality gap of every agent with their intervals, published agents below."""
    found = ranked([one for one in _comparable(view).aggregates() if one.estimates])
    return [_aggregate(view, name, found, looks) for name in statistics.AGGREGATES]


def ranked(several: Sequence[Aggregate]) -> list[Aggregate]:
    """Measured before published, the best first: by IQM, by the median where there is none."""

    def key(one: Aggregate) -> tuple[bool, float]:
        best = one.estimates.get("IQM") or one.estimates.get("median")
        return one.quoted, -best.value if best else float("inf")

    return sorted(several, key=key)


def _aggregate(view: View, metric: str, several: Sequence[Aggregate], looks: Looks) -> Panel:
    names = [view.name(one) for one in several]

    def onto(axes: Axes) -> None:
        for place, (one, name) in enumerate(zip(several, names, strict=True)):
            if metric not in one.estimates:
                continue  # of means alone there is neither IQM nor optimality gap
            value, interval = one.estimates[metric]
            style = looks.get(name) if not one.quoted else None
            colour, gid = (PALETTE[style.colour], style.gid) if style else (MUTED, QUOTED)
            if interval:
                axes.plot(interval, [place, place], color=colour, lw=4.5, alpha=0.4, solid_capstyle="butt", gid=gid)
            marker = MARKERS[style.marker] if style else "|"
            axes.plot([value], [place], color=colour, marker=marker, ms=6, mew=1.6 if not style else 0, gid=gid)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [short(name) for name in names])
        for label, one, name in zip(axes.get_yticklabels(), several, names, strict=True):
            label.set_gid(QUOTED if one.quoted else looks[name].gid)
            label.set_color(MUTED if one.quoted else INK)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.08)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("normalised score")

    values = [tables.text(one.estimates.get(metric)) for one in several]
    alt = f"{metric}: " + "; ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
    left = 0.2 + 0.072 * max(len(short(name)) for name in names)
    title = f"{metric} (lower is better)" if metric == "optimality gap" else metric
    return Panel(title, onto, alt, size=(4.4, 0.75 + 0.23 * max(3, len(names))), left=left)


def profiles(view: View, looks: Looks) -> list[Panel]:
    """The share of runs above every level of normalised score."""
    entrants = _comparable(view).entrants
    top = max(1.0, float(np.quantile(np.concatenate([one.complete.matrix.ravel() for one in entrants]), 0.95)))
    low = min(0.0, min(float(one.complete.matrix.min()) for one in entrants))
    levels = np.linspace(low, top, 81)
    series = [_profile(view, one, levels, looks) for one in entrants]

    def onto(axes: Axes) -> None:
        _lines(axes, series, looks)
        axes.set_xlim(levels[0], levels[-1])
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("normalised score τ")
        axes.set_ylabel("share of runs above τ")
        _quoted_legend(axes, series)

    alt = "Performance profiles. Share of runs above half way: " + "; ".join(
        f"{one.label} {float(bootstrap.profile(entrant.complete.matrix, np.array([0.5]))[0]):.2f}"
        for one, entrant in zip(series, entrants, strict=True)
    )
    return [Panel("performance profiles", onto, alt, tuple(series))]


def _profile(view: View, one: Entrant, levels: np.ndarray, looks: Looks) -> Series:
    complete = one.complete
    found = statistics.profile(complete.matrix, len(complete.seeds), len(complete.tasks), levels)
    number = None if one.quoted else looks[view.name(one)].number
    return Series(number, view.name(one), levels, found.fraction, found.band)


def improvement(view: View, looks: Looks) -> list[Panel]:
    """How probably a run of the row's agent beats one of the column's on a task that both have."""
    entrants = [one for one in _comparable(view).entrants if not one.quoted]
    if len(entrants) < 2:
        raise Unavailable("A probability of improvement needs two agents measured on two tasks or more.")
    names = [view.name(one) for one in entrants]
    cells = {(x, y): _improvement(a, b) for x, a in enumerate(entrants) for y, b in enumerate(entrants) if x != y}
    points = 9.0 if len(names) < 7 else 7.0  # so that neighbours stay apart

    def onto(axes: Axes) -> None:
        for (x, y), estimate in cells.items():
            if estimate is None:
                axes.text(y, x, "–", ha="center", va="center", color=MUTED)
                continue
            value, interval = estimate
            sure = interval is not None and not interval.low <= 0.5 <= interval.high
            colour = PALETTE[0] if value > 0.5 else PALETTE[1]
            strength = 0.06 + abs(value - 0.5) * 0.9
            axes.add_patch(Rectangle((y - 0.5, x - 0.5), 1, 1, color=colour, alpha=strength, lw=0))
            weight = "bold" if sure else "normal"
            text = f"{value:.2f}{'*' if sure else ''}"
            axes.text(y, x, text, ha="center", va="center", fontweight=weight, fontsize=points)
        size = len(names)
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
        axes.set_xlabel("a run of the row beats one of the column\n* the 95 % interval leaves out 0.5", fontsize=8.5)
        numbered = [str(n + 1) for n in range(size)]
        axes.set_xticks(range(size), numbered)
        axes.set_yticks(range(size), [f"{short(name)}  {n}" for name, n in zip(names, numbered, strict=True)])
        axes.tick_params(length=0, colors=INK)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.hlines(np.arange(1, size) - 0.5, -0.5, size - 0.5, color=FAINT, lw=0.6)
        axes.vlines(np.arange(1, size) - 0.5, -0.5, size - 0.5, color=FAINT, lw=0.6)

    alt = "Probability of improvement: " + "; ".join(
        f"{names[x]} over {names[y]} {tables.text(estimate)}" for (x, y), estimate in cells.items()
    )
    left = 0.3 + 0.07 * max(len(short(name)) for name in names)
    size = 4.4, 1.0 + 0.25 * max(4, len(names))
    return [Panel("probability of improvement", onto, alt, size=size, left=left, below=0.62)]


def _improvement(x: Entrant, y: Entrant) -> statistics.Estimate | None:
    """None between scales, or where the two share no task."""
    shared = [task for task in x.complete.tasks if task in y.complete.tasks]
    if x.scale != y.scale or not shared:
        return None
    sides = [one.complete.matrix[:, [one.complete.tasks.index(task) for task in shared]] for one in (x, y)]
    return statistics.improvement(*sides)


def efficient(view: View, looks: Looks) -> list[Panel]:
    """The IQM on the way: over frames, over updates, over hours of the clock."""
    entrants = _comparable(view).entrants
    return [_efficiency(view, axis, entrants, looks) for axis in efficiency.AXES]


def _efficiency(view: View, axis: efficiency.Axis, entrants: Sequence[Entrant], looks: Looks) -> Panel:
    mine = [one for one in entrants if not one.quoted]
    made = [efficiency.curve(view, one, axis, looks[view.name(one)].number) for one in mine]
    series = [one for one in made if isinstance(one, Series)]
    unit, factor = _unit(max((one.x[-1] for one in series), default=0.0)) if axis == "hours" else (axis, 1.0)
    series = [one._replace(x=one.x * factor) for one in series]
    without = [one for one in made if isinstance(one, str)]
    levels = [Edge(float(bootstrap.iqm(one.complete.matrix)), one.label, True) for one in entrants if one.quoted]

    def onto(axes: Axes) -> None:
        _lines(axes, series, looks)
        for level in levels:
            axes.axhline(level.value, color=MUTED, lw=0.9, ls=(0, (5, 4)), zorder=1, gid=QUOTED)
        axes.set_xlim(0, max((float(one.x[-1]) for one in series), default=1.0) * 1.005)
        axes.margins(y=0.06)
        axes.set_xlabel(_clock(view, unit) if axis == "hours" else axis)
        axes.set_ylabel("IQM, normalised score")
        axes.xaxis.set_major_formatter(FuncFormatter(tick))
        axes.xaxis.set_major_locator(MaxNLocator(5))

    alt = f"IQM over {axis}: " + "; ".join(
        [f"{s.label} {s.y[-1]:.3f} at {s.x[-1]:,.4g} {unit}" for s in series] + without
    )
    note = "; ".join(without)
    note = note and f"Not drawn: {note}."
    return Panel(f"IQM over {axis}", onto, alt, tuple(series), left=WIDE, edges=tuple(levels), note=note)


def hours(view: View, looks: Looks) -> list[Panel]:
    """What a score costs: IQM against the mean hours of a run."""
    time = {(one.scale, one.label): one.hours for one in costs.of(_comparable(view).rows, view.clocks)}
    found = [one for one in view.aggregates() if "IQM" in one.estimates]
    shown = [(one, time.get((one.scale, one.label))) for one in found if not one.quoted]
    placed = [(one, spent) for one, spent in shown if spent]
    unit, factor = _unit(max((spent for _, spent in placed), default=0.0))
    placed = [(one, spent * factor) for one, spent in placed]
    if not placed:
        raise Unavailable("No hours are known of these runs: neither telemetry nor the ends of their sessions.")
    levels = [Edge(one.estimates["IQM"].value, one.label, True) for one in found if one.quoted]
    spread = max(spent for _, spent in placed) / min(spent for _, spent in placed)

    def onto(axes: Axes) -> None:
        for one, spent in placed:
            value, interval = one.estimates["IQM"]
            mine = looks[view.name(one)]
            if interval:
                axes.plot([spent, spent], interval, color=PALETTE[mine.colour], lw=4.5, alpha=0.4, gid=mine.gid)
            axes.plot([spent], [value], **mine.line(ls="", marker=MARKERS[mine.marker], ms=6.5))
        for level in levels:
            axes.axhline(level.value, color=MUTED, lw=0.9, ls=(0, (5, 4)), zorder=1, gid=QUOTED)
        if spread > 10:
            axes.set_xscale("log")
            axes.margins(x=0.12)
        else:
            axes.set_xlim(0, max(spent for _, spent in placed) * 1.12)
        axes.xaxis.set_major_formatter(FuncFormatter(tick))
        axes.margins(y=0.08)
        axes.set_xlabel(_clock(view, f"{unit} per run"))
        axes.set_ylabel("IQM, normalised score")

    series = [
        Series(looks[view.name(one)].number, view.name(one), np.array([spent]), np.array([one.estimates["IQM"].value]))
        for one, spent in placed
    ]
    alt = "IQM against hours: " + "; ".join(f"{s.label} {s.y[0]:.3f} for {s.x[0]:.3g} {unit} a run" for s in series)
    return [Panel("score against hours", onto, alt, tuple(series), left=WIDE, edges=tuple(levels))]


def _unit(hours: float) -> tuple[str, float]:
    """The unit in which so many hours read well, and how many of it make an hour."""
    return ("hours", 1.0) if hours >= 2 else ("minutes", 60.0) if hours >= 1 / 30 else ("seconds", 3600.0)


def _clock(view: View, what: str) -> str:
    """An axis of time, with the device where there is one for all."""
    devices = sorted({costs.device(run) for run in view.runs} - {""})
    if len(devices) != 1:
        return f"{what}, several devices" if devices else what
    kind = "" if devices[0].startswith("cpu") else "GPU-"
    return f"{kind}{what}, {devices[0]}"


def tasks(view: View, looks: Looks) -> list[Panel]:
    """Every task's learning curves, published ones in grey."""
    return [panels.of(view, task, looks) for task in view.tasks]


def _comparable(view: View) -> View:
    if view.incomparable:
        raise Unavailable(view.incomparable)
    if not view.entrants:
        raise Unavailable("No agent has a seed that two tasks or more share.")
    return view


def _lines(axes: Axes, series: Sequence[Series], looks: Looks) -> None:
    quoted = 0
    for one in series:
        if one.agent is None:
            axes.plot(one.x, one.y, color=MUTED, lw=1.1, ls=look.quoted_dash(quoted), zorder=2, gid=QUOTED)
            quoted += 1
            continue
        mine = looks[one.label]
        if one.band is not None:
            axes.fill_between(one.x, *one.band, color=PALETTE[mine.colour], alpha=0.18, lw=0, zorder=3, gid=mine.gid)
        look.with_markers(axes, one.x, one.y, mine)


def _quoted_legend(axes: Axes, series: Sequence[Series]) -> None:
    names = [one.label for one in series if one.agent is None]
    if names:
        lines = [line for line in axes.get_lines() if line.get_gid() == QUOTED]
        axes.legend(lines, names, title="published", title_fontsize=7.8, fontsize=7.8, frameon=False, labelcolor=MUTED)


FIGURES: dict[str, Callable[[View, Looks], list[Panel]]] = {
    "aggregates": aggregates,
    "profiles": profiles,
    "improvement": improvement,
    "hours": hours,
    "efficiency": efficient,
    "tasks": tasks,
}
NAMED = ("aggregates", "improvement")  # their axes name the agents: no legend


def all_looks(views: Sequence[View]) -> dict[str, Look]:
    """One look per agent of these views, by name."""
    return look.looks(sorted({view.name(row) for view in views for row in view.rows}))


def write(name: str, root: Path, suite: Suite, out: Path) -> Path:
    """Write one figure of a suite's runs in the store at `root` as `out`'s suffix says, and return its path.

    The same snapshot gives the same bytes. Unavailable where these runs do not make this figure.
    """
    (view,) = snapshot.take(root, suite).views
    if not view.rows:
        raise Unavailable(f"No runs of suite {suite.name} in {root}.")
    looks = all_looks([view])
    drawn = FIGURES[name](view, looks)
    out.parent.mkdir(parents=True, exist_ok=True)
    legend = {} if name in NAMED else looks
    look.save(drawn, legend, {label: n for n, label in enumerate(suite.published)} if legend else {}, out)
    return out
