"""A paper's table in its layout: published columns, and ours beside them, marked, under the same score rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report import grid, scores, statistics
from bench.report.grid import Cell, Grid
from bench.report.papers import Column, Paper
from bench.report.quotes import Measured, Quote, measured, quote
from bench.report.scores import WIRING, Read
from bench.results import published
from bench.results.schema import Suite

OURS = "[measured]"  # stands in the head of every column of ours
_BEST = (
    "bold: within the interval of the row's best, or the best where single runs are not public; columns of one budget"
)


@dataclass(frozen=True)
class _Series:
    """A column of numbers: one agent under one rule over the tasks."""

    head: str
    group: str | None  # the best is marked among those of one group; None: not compared
    cells: dict[str, Cell]  # by task
    seeds: dict[str, dict[str, float]]  # task -> {seed: raw score}; empty where a task has only a mean


def build(paper: Paper, suite: Suite, read: Sequence[Read] = ()) -> Grid:
    """The table with a column (or row) for each of our agents among the runs `read`."""
    tasks = paper.tasks or suite.tasks
    ours = measured(paper, suite, read)
    series = [_quoted(column, column.rule, tasks) for column in _columns(paper)] + [_ours(one) for one in ours]
    body = _by_agent(paper, tasks, series, ours) if paper.layout == "agents" else _by_task(paper, tasks, series)
    notes = [f"Published: {paper.source}.", *paper.notes, *([_BEST] if paper.layout == "tasks" else []), *_notes(ours)]
    return replace(body, title=f"{paper.name}: {paper.title}", notes=tuple(notes), intervals=False)


def _columns(paper: Paper) -> tuple[Column, ...]:
    """The declared ones, or every published variant of the paper's own agent."""
    if paper.columns:
        return paper.columns
    own = paper.pairs[-1][1]
    labels = {published.label(one) for one in published.scores(paper.tasks) if one.rule == own.rule}
    mine = sorted(label for label in labels if label.startswith(own.label) and label != own.label)
    return (own, *(Column(label, own.rule, label.removeprefix(f"{own.label} (").removesuffix(")")) for label in mine))


def _quoted(column: Column, rule: str, tasks: Sequence[str]) -> _Series:
    found = {task: one for task in tasks if (one := quote(task, column.label, rule))}
    cells = {task: _cell(one) for task, one in found.items()}
    return _Series(column.name, column.group, cells, {task: one.seeds for task, one in found.items()})


def _cell(one: Quote) -> Cell:
    """World Models prints whole numbers, "906 ± 21"."""
    return (
        Cell.of(one.estimate) if one.episode_std is None else Cell(one.estimate.value, std=one.episode_std, decimals=0)
    )


def _ours(one: Measured) -> _Series:
    at = f" {one.column.group}" if one.column.group and one.scale == "paper" else ""
    scale = "" if one.scale == "paper" else f" {one.scale}"
    cells = {task: replace(Cell.of(row.estimate), wiring=bool(row.mark)) for task, row in one.rows.items()}
    seeds = {
        task: {str(run.seed): value for run in row.runs if (value := row.counts(run)) is not None}
        for task, row in one.rows.items()
    }
    group = one.column.group if one.scale == "paper" else None
    return _Series(f"{one.label}{at}{scale} {OURS}", group, cells, seeds)


def _by_task(paper: Paper, tasks: Sequence[str], series: Sequence[_Series]) -> Grid:
    levels = {task: published.references(task) for task in tasks} if paper.human else {}
    rows: list[tuple[str | Cell, ...]] = []
    for task in tasks:
        pair = levels.get(task)
        reference = [Cell(value) for value in pair] if pair else [Cell(None)] * 2 if paper.human else []
        cells = [one.cells.get(task, Cell(None)) for one in series]
        rows.append((task.partition("/")[2], *reference, *_marked(cells, series)))
    blank = [""] * (2 if paper.human else 0)
    for name, values in _aggregates(paper, tasks, series).items():
        compared = values if name in ("optimality gap", "superhuman") else _marked(values, series)
        rows.append((name, *blank, *compared))
    head = ("task", *(("random", "human") if paper.human else ()), *(one.head for one in series))
    return Grid("", head, tuple(rows), rules=(len(tasks),))


def _marked(cells: Sequence[Cell], series: Sequence[_Series]) -> list[Cell]:
    marked = list(cells)
    for group in {one.group for one in series} - {None}:
        members = [place for place, one in enumerate(series) if one.group == group]
        for place, cell in zip(members, grid.marked([cells[place] for place in members]), strict=True):
            marked[place] = cell
    return marked


def _aggregates(paper: Paper, tasks: Sequence[str], series: Sequence[_Series]) -> dict[str, list[Cell]]:
    """{row: cells}. A column that lacks a task has none; IQM and gap need the same single seeds on every task."""
    if not paper.human:
        of = f"over {len(tasks)} tasks"
        found = [_raw(one, tasks) for one in series]
        return {f"{name} {of}": [one.get(name, Cell(None)) for one in found] for name in ("mean", "median")}
    found = [_human(one, tasks) for one in series]
    return {name: [one.get(name, Cell(None)) for one in found] for name in (*_ORDER, "superhuman")}


_ORDER = ("mean", "median", "IQM", "optimality gap")


def _raw(one: _Series, tasks: Sequence[str]) -> dict[str, Cell]:
    means = _means(one, tasks)
    if means is None:
        return {}
    return {name: Cell.of(value, decimals=0) for name, value in statistics.of_means(list(means.values())).items()}


def _means(one: _Series, tasks: Sequence[str]) -> dict[str, float] | None:
    values = {task: one.cells[task].value for task in tasks if task in one.cells}
    known = {task: value for task, value in values.items() if value is not None}
    return known if len(known) == len(tasks) else None


def _human(one: _Series, tasks: Sequence[str]) -> dict[str, Cell]:
    means = _means(one, tasks)
    if means is None:
        return {}
    levels = {task: published.references(task) for task in tasks}
    normal = {task: scores.normalised(value, pair) for task, value in means.items() if (pair := levels[task])}
    estimates = statistics.of_means(list(normal.values()))
    complete = statistics.complete(_normalised(one.seeds, levels))
    if complete and not complete.left_out:
        estimates |= statistics.aggregates(complete.matrix, len(complete.seeds), len(complete.tasks))
    cells = {name: Cell.of(estimate, decimals=3) for name, estimate in estimates.items()}
    return cells | {"superhuman": Cell(sum(value > 1 for value in normal.values()), decimals=0)}


def _normalised(
    seeds: Mapping[str, Mapping[str, float]], levels: Mapping[str, tuple[float, float] | None]
) -> dict[str, dict[int, float]]:
    """{task: {seed: human-normalised score}}; a task without references has none."""
    return {
        task: {int(seed): scores.normalised(value, pair) for seed, value in mine.items()}
        if (pair := levels[task])
        else {}
        for task, mine in seeds.items()
    }


def _by_agent(paper: Paper, tasks: Sequence[str], series: Sequence[_Series], ours: Sequence[Measured]) -> Grid:
    """One row per agent. With several tasks the last column is the mean over those that every published row has."""
    columns = _columns(paper)
    also = [[_quoted(column, rule, tasks) for column in columns] for _, rule in paper.also]
    shared = [task for task in tasks if all(task in one.cells for one in series[: len(columns)])]
    rows: list[tuple[str | Cell, ...]] = []
    for place, one in enumerate(series):
        before = [
            further[place].cells.get(tasks[0], Cell(None)) if place < len(columns) else Cell(None) for further in also
        ]
        cells = [one.cells.get(task, Cell(None)) for task in tasks]
        means = _means(one, shared) if len(tasks) > 1 else None
        mean = [Cell.of(statistics.of_means(list(means.values()))["mean"])] if means else [Cell(None)]
        rows.append((one.head, *before, *cells, *(mean if len(tasks) > 1 else ())))
    heads = [task.partition("/")[2] for task in tasks] if len(tasks) > 1 else ["in the game" if also else "score"]
    total = [f"mean of {len(shared)}"] if len(tasks) > 1 else []
    drawn = (len(columns),) if ours else ()
    return Grid("", ("agent", *(head for head, _ in paper.also), *heads, *total), tuple(rows), rules=drawn)


def _notes(ours: Sequence[Measured]) -> list[str]:
    """What stands behind our columns: rule, runs, scale, what is missing."""
    found = []
    for one in ours:
        counts = sorted({len(row.counted) for row in one.rows.values()})
        runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        found.append(f"{one.label} at scale {one.scale} {OURS}: {one.rule}, {runs} runs a task")
        found += [
            f"{one.label} on {task}: {row.standing}"
            for task, row in one.rows.items()
            if len(row.runs) > len(row.counted)
        ]
        found += [f"{one.label} on {task}: {note}" for task, row in one.rows.items() for note in row.notes]
    if any(one.scale != "paper" for one in ours):
        found.append(
            "smaller scales: smaller agents and budgets than published, not comparable with the columns beside"
        )
    if any(row.mark for one in ours for row in one.rows.values()):
        found.append(f"*: {WIRING}")
    return list(dict.fromkeys(found))
