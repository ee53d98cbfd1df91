"""What was measured in a suite as three tables: scores per task, aggregates over tasks, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, get_args

from bench.report import costs, grid, published, sizes, tables
from bench.report.costs import Cost
from bench.report.grid import Cell, Grid
from bench.report.scores import Row
from bench.report.snapshot import View
from bench.report.statistics import AGGREGATES

Kind = Literal["scores", "aggregates", "cost"]
KINDS: tuple[str, ...] = get_args(Kind)
_BEST = "bold: within the interval of the row's best of its scale, or the best where it has no interval"


def build(kind: Kind, view: View) -> Grid:
    """One of KINDS for a view; a table without rows where there is nothing to say."""
    makers: dict[str, Callable[[View], Grid]] = {"scores": scores, "aggregates": aggregates, "cost": cost}
    return makers[kind](view)


def _name(view: View) -> str:
    return view.suite.name if view.suite else "tasks of no suite"


def _entrants(view: View) -> list[tuple[str, str, str]]:
    """(scale, label, protocol of its rows) in the order of the columns; protocols are never mixed in a column."""
    order = {scale: number for number, scale in enumerate(view.scales)}
    versions = {row.protocol.partition("/")[2] for row in view.rows}
    found = {(row.scale, row.label, row.protocol if len(versions) > 1 else "") for row in view.rows}
    return sorted(found, key=lambda one: (order[one[0]], *one[1:]))


def scores(view: View) -> Grid:
    """Mean and interval per task and agent; published scores beside them where anything ran at scale `paper`."""
    entrants = _entrants(view)
    several = len(view.scales) > 1
    quoted = list(view.suite.published) if view.suite and "paper" in view.scales else []
    rows: list[tuple[str | Cell, ...]] = []
    for task in view.tasks:
        mine: dict[tuple[str, str, str], Row] = {}
        for row in view.rows:
            if row.task == task:
                mine |= {(row.scale, row.label, name): row for name in (row.protocol, "")}
        cells = [_cell(mine.get(one)) for one in entrants]
        beside = {one.label: one for one in published.quoted(view.suite, task)} if view.suite and quoted else {}
        others = [Cell.of(beside[label].estimate) if label in beside else Cell(None) for label in quoted]
        rows.append((task, *_marked(cells, [scale for scale, _, _ in entrants]), *others))
    heads = (" ".join(filter(None, (label, scale * several, protocol))) for scale, label, protocol in entrants)
    rule = view.rows[0].rule if view.rows else ""
    notes = [_BEST, *tables.footnotes(view.rows)]
    notes += ["[published]: other people's, each by its own rule"] if quoted else []
    title = f"{_name(view)}: mean {rule} [95 % interval over runs]"
    return Grid(title, ("task", *heads, *(f"{label} [published]" for label in quoted)), tuple(rows), tuple(notes))


def _cell(row: Row | None) -> Cell:
    return replace(Cell.of(row.estimate), wiring=bool(row.mark)) if row else Cell(None)


def _marked(cells: Sequence[Cell], scales: Sequence[str]) -> list[Cell]:
    marked = list(cells)
    for scale in set(scales):
        members = [place for place, one in enumerate(scales) if one == scale]
        for place, cell in zip(members, grid.marked([cells[place] for place in members]), strict=True):
            marked[place] = cell
    return marked


def aggregates(view: View) -> Grid:
    """IQM, median, mean and optimality gap of normalised scores, measured and published."""
    rows: list[tuple[str | Cell, ...]] = []
    notes = []
    for one in view.aggregates():
        cells = [Cell.of(one.estimates.get(name), decimals=3) for name in AGGREGATES]
        rows.append((one.label, one.scale, *cells, one.over))
        notes += [f"{one.label}, {one.scale}: {note}" for note in one.notes]
    if not rows:
        notes.append("nothing is averaged over tasks: that takes a normalised suite and scores on two tasks of it")
    head = ("agent", "scale", *AGGREGATES, "over")
    return Grid(f"{_name(view)}: normalised scores over tasks [95 % interval]", head, tuple(rows), tuple(notes))


def cost(view: View) -> Grid:
    """What the runs took, means over the complete ones; FLOPs as `bench throughput` measured them elsewhere."""
    clocks = {run.path: clock for run in view.runs if (clock := costs.clock(run))}
    rows: list[tuple[str | Cell, ...]] = []
    for one in costs.of(view.rows, clocks):
        mine = [row for row in view.rows if (row.label, row.scale) == (one.label, one.scale)]
        rows.append((one.label, one.scale, *_costs(one, mine), ", ".join(one.devices)))
    head = (
        "agent",
        "scale",
        "parameters",
        "GFLOPs per update",
        "updates per agent step",
        "updates/s",
        "hours per run",
        "hours in all",
        "runs",
        "device",
    )
    notes = (
        "hours of the clock, evaluations included; on a GPU they are GPU-hours, runs that share one count in full each",
        "FLOPs of matrix products, as `bench throughput` measured them for this agent, scale and kind of task",
        "energy is not recorded",
    )
    return Grid(f"{_name(view)}: cost", head, tuple(rows), notes)


def _costs(one: Cost, rows: Sequence[Row]) -> list[Cell]:
    counted = [each.run for row in rows for each in row.counted]
    steps = sum(run.record.counters.get("agent_steps", 0) for run in counted)
    updates = sum(run.record.counters.get("updates", 0) for run in counted)
    numbers = {size for run in counted if (size := sizes.parameters(run))}
    flops = sizes.flops_per_update(one.label, one.scale, {row.task for row in rows})
    return [
        Cell(max(numbers), decimals=0) if numbers else Cell(None),
        Cell(flops / 1e9) if flops else Cell(None),
        Cell(updates / steps) if steps else Cell(None),
        Cell(one.rate) if counted else Cell(None),
        Cell(one.hours, decimals=4) if counted else Cell(None),
        Cell(one.total, decimals=4),
        Cell(one.runs, decimals=0),
    ]
