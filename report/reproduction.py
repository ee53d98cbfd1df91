"""Our runs against a paper's table, task by task: published, measured, difference, a test of no difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.report import statistics
from bench.report.grid import Cell, Grid
from bench.report.papers import Paper
from bench.report.quotes import Measured, Quote, measured, quote
from bench.report.scores import WIRING, Read, Row
from bench.report.significance import Sample, Welch, welch
from bench.results.schema import Suite

_SURPRISE = 0.05
_TOLD = ("action_repeat", "observation", "start", "truncated")  # of our protocols: where papers differ most


@dataclass(frozen=True)
class Comparison:
    """One task. `difference` is measured minus published, None where one of them lacks a score."""

    task: str
    published: Quote | None
    row: Row
    difference: float | None
    test: Welch | None
    untested: str  # why there is no test; "" where there is one


def compare(one: Measured) -> list[Comparison]:
    """Every task that our runs have, in their order."""
    found = []
    for task, row in one.rows.items():
        theirs = quote(task, one.column.label, one.column.rule)
        values = [value for run in row.runs if (value := row.counts(run)) is not None]
        both = row.estimate is not None and theirs is not None
        difference = row.estimate.value - theirs.estimate.value if row.estimate and theirs else None
        untested = _untested(theirs, values) if both else "no score to compare"
        test = None
        if theirs and theirs.std is not None and theirs.n is not None and not untested:
            test = welch(_sample(values), Sample(theirs.estimate.value, theirs.std, theirs.n))
            untested = "" if test else "all runs of both sides are alike"
        found.append(Comparison(task, theirs, row, difference, test, untested))
    return found


def _sample(values: Sequence[float]) -> Sample:
    return Sample(sum(values) / len(values), statistics.deviation(values) or 0.0, len(values))


def _untested(theirs: Quote | None, values: Sequence[float]) -> str:
    if len(values) < statistics.FEW:
        return f"fewer than {statistics.FEW} runs of ours"
    if theirs is None or theirs.std is None or (theirs.n or 0) < 2:
        return "the source gives no deviation over two runs or more"
    return ""


def build(paper: Paper, suite: Suite, read: Sequence[Read]) -> list[Grid]:
    """One table per agent, scale and rule of these runs, each with what has to be known before believing it."""
    return [_grid(paper, one) for one in measured(paper, suite, read)]


def _grid(paper: Paper, one: Measured) -> Grid:
    rows: list[tuple[str | Cell, ...]] = []
    found = compare(one)
    for each in found:
        theirs = each.published
        quoted = Cell(theirs.estimate.value, std=theirs.std) if theirs else Cell(None)
        bounds = each.test.interval if each.test else (None, None)
        rows.append(
            (
                each.task,
                quoted,
                Cell(theirs.n if theirs else None, decimals=0),
                replace(Cell.of(each.row.estimate), wiring=bool(each.row.mark)),
                Cell(len(each.row.counted), decimals=0),
                Cell(each.difference, *bounds),
                _p(each.test),
            )
        )
    title = f"{paper.name}: {one.label} at scale {one.scale}, {one.rule}, against {one.column.label}, {one.column.rule}"
    head = ("task", "published", "n", "measured", "runs", "difference", "p")
    return Grid(title, head, tuple(rows), tuple(dict.fromkeys([*_verdict(found), *_remains(paper, one, found)])))


def _p(test: Welch | None) -> str:
    return "–" if test is None else f"{test.p:.3f}" if test.p >= 0.001 else "< 0.001"


def _verdict(found: Sequence[Comparison]) -> list[str]:
    tested = [each.test for each in found if each.test]
    notes = ["difference: measured minus published [95 % by Welch's t]; p: two-sided test of no difference"]
    if tested:
        below = sum(test.p < _SURPRISE for test in tested)
        notes.append(
            f"p < {_SURPRISE:g} on {below} of {len(tested)} tasks; without any difference "
            f"{_SURPRISE * len(tested):.1f} are expected"
        )
    for reason in dict.fromkeys(each.untested for each in found if each.untested):
        where = [each.task for each in found if each.untested == reason]
        notes.append(f"no test, {reason}: {_list(where)}")
    return notes


def _remains(paper: Paper, one: Measured, found: Sequence[Comparison]) -> list[str]:
    """What differs besides the agent: scale, rule, frames, protocol, and what became of our runs."""
    notes = []
    if one.scale != "paper":
        notes.append(
            f"scale {one.scale}: a smaller agent and budget than published; neither difference nor p says anything "
            "about the published configuration"
        )
    if one.rule != one.column.rule:
        notes.append(f"score rules differ: published {one.column.rule}, ours {one.rule}")
    theirs = sorted({f"{each.published.frames:,}" for each in found if each.published and each.published.frames})
    ours = sorted({each.row.frames for each in found if each.row.frames})
    if theirs and ours and theirs != ours:
        notes.append(f"frames differ: published {_list(theirs)}, ours {_list(ours)}")
    notes += [f"published protocol: {each.published.protocol}" for each in found if each.published]
    for each in found:
        protocol = each.row.runs[0].run.record.identity.protocol
        told = "; ".join(f"{key}: {protocol[key]}" for key in _TOLD if key in protocol)
        notes.append(f"our protocol, {each.row.protocol}: {told}")
    notes += paper.remains
    notes += [
        f"{each.task}: runs complete: {each.row.standing}"
        for each in found
        if len(each.row.counted) < len(each.row.runs)
    ]
    notes += [f"{each.task}: {note}" for each in found for note in each.row.notes]
    if any(statistics.FEW <= len(each.row.counted) < statistics.ENOUGH for each in found):
        notes.append(statistics.COVERAGE_NOTE)
    if any(each.row.mark for each in found):
        notes.append(f"*: {WIRING}, shows that everything runs, not that anything was learned")
    return notes


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
