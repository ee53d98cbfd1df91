"""The score table as text: for the terminal after a run, as markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import scores, snapshot, statistics
from bench.report.scores import Row
from bench.report.statistics import Estimate
from bench.results.schema import Score, Suite

if TYPE_CHECKING:
    from rich.console import RenderableType

HEAD = ("task", "agent", "score", "normalised", "runs", "frames", "scale")


def number(value: float) -> str:
    """Three or four significant digits, never in exponents: 1,118  50.3  0.494  -20.7."""
    if abs(value) < 5e-4:
        return "0"  # not "-0.000"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def text(estimate: Estimate | None) -> str:
    """ "50.3 [41.0, 61.2]", without interval where there are too few runs, "–" where there is no score."""
    if estimate is None:
        return "–"
    if estimate.interval is None:
        return number(estimate.value)
    return f"{number(estimate.value)} [{number(estimate.interval.low)}, {number(estimate.interval.high)}]"


def cells(row: Row) -> tuple[str, ...]:
    """A row under HEAD."""
    normalised = "" if row.normalised is None else f"{row.normalised:.3f}"
    scale = f"{row.scale}, {row.mark}" if row.mark else row.scale
    return row.task, row.label, text(row.estimate), normalised, row.standing, row.frames, scale


def footnotes(rows: Sequence[Row]) -> list[str]:
    """What the numbers of these rows do not say by themselves, once each."""
    notes = [f"{row.label} on {row.task}: {note}" for row in rows for note in row.notes]
    counts = [sum(one.complete or one.diverged for one in row.runs) for row in rows if row.estimate]
    if any(count < statistics.FEW for count in counts):
        notes.append("fewer than 3 runs: no interval")
    if any(statistics.FEW <= count < statistics.ENOUGH for count in counts):
        notes.append(statistics.COVERAGE_NOTE)
    if any(row.mark for row in rows):
        notes.append(f"{scores.WIRING}: shows that everything runs, not that anything was learned")
    return notes


def terminal(root: Path, suite: Suite | None, all_suites: Sequence[Suite] = ()) -> RenderableType:
    """The score table of a store as a rich renderable."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown: list[RenderableType] = []
    taken = snapshot.take(root, suite, all_suites)
    for view in taken.views:
        rule = view.rows[0].rule if view.rows else suite.rule if suite else scores.RULE
        name = view.suite.name if view.suite else "tasks of no suite"
        title = f"{name}: mean {rule} [95 % interval over runs]"
        table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
        for column in ("", *HEAD[2:]):
            of_numbers = column in ("score", "normalised", "frames")
            table.add_column(
                "norm." if column == "normalised" else column,
                justify="right" if of_numbers else "left",
                no_wrap=of_numbers,
                overflow="fold",
            )
        for task in view.tasks:  # a heading, so that eighty columns are enough
            table.add_row(Text(task, style="bold"))
            for row in view.rows:
                if row.task == task:
                    _, agent, *others = (Text(cell) for cell in cells(row))
                    table.add_row(Text("  ") + agent, *others)
        shown.append(table if view.rows else Text(f"{name}: no runs yet"))
        shown += [Text(f"  {note}", style="dim") for note in footnotes(view.rows)]
    shown += [Text(f"cannot be read: {problem.path}: {problem.reason}") for problem in taken.problems]
    return Group(*shown) if shown else Text("no runs yet")


def markdown(rows: Sequence[Row]) -> str:
    """A table for a paper's draft or an issue, footnotes below."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in rows]
    return "\n".join([*lines, "", *(f"- {note}" for note in footnotes(rows)), ""])


def to_csv(measured: Iterable[Score]) -> str:
    """One score a line, in the columns of `results.schema.Score`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(Score)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(score) for score in measured)
    return out.getvalue()
