"""A store as the report sees it: read once, divided into views, one per suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import rules, scores, statistics
from bench.report.scores import Read, Row
from bench.report.statistics import Complete, Estimate
from bench.results import reader
from bench.results.reader import Problem, Run
from bench.results.schema import Suite


@dataclass(frozen=True)
class Aggregate:
    """An agent over the tasks of a suite: normalised scores through rliable, or why there are none."""

    label: str
    scale: str
    complete: Complete | None
    estimates: dict[str, Estimate]
    tasks: int  # of the suite
    diverged: int  # runs that count as the random policy


@dataclass(frozen=True)
class View:
    """The runs that one suite takes in; suite None: runs of tasks that none of the suites at hand has."""

    suite: Suite | None
    runs: tuple[Run, ...]
    rows: tuple[Row, ...]

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(row.task for row in self.rows))

    @property
    def scales(self) -> list[str]:
        return sorted({row.scale for row in self.rows}, key=lambda s: ("paper", "small", "tiny").index(s))

    def aggregates(self) -> list[Aggregate]:
        """One per agent and scale with scores on two tasks or more; empty where the suite has no references."""
        if self.suite is None or not self.suite.references:
            return []
        by_agent: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            by_agent.setdefault((row.scale, row.label), []).append(row)
        found = []
        for (scale, label), mine in by_agent.items():
            if sum(bool(row.by_seed()) for row in mine) < 2:
                continue
            complete = statistics.complete({task: {} for task in self.suite.tasks} | {r.task: r.by_seed() for r in mine})
            estimates = (
                statistics.aggregates(complete.matrix, len(complete.seeds), len(complete.tasks)) if complete else {}
            )
            diverged = sum(one.diverged for row in mine for one in row.runs)
            found.append(Aggregate(label, scale, complete, estimates, len(self.suite.tasks), diverged))
        return found


@dataclass(frozen=True)
class Snapshot:
    views: tuple[View, ...]
    problems: tuple[Problem, ...]  # run folders that cannot be read
    elsewhere: int  # runs of the store that belong to no view here

    @property
    def runs(self) -> list[Run]:
        unique = {run.path: run for view in self.views for run in view.runs}
        return [unique[path] for path in sorted(unique)]


def take(root: Path, suite: Suite | None, all_suites: Sequence[Suite] = ()) -> Snapshot:
    """Read the store. With a suite: its tasks' runs. Without: one view per suite that a run was started for, and one of the rest."""
    found, problems = reader.runs(root)
    read: list[Read] = []
    damaged = list(problems)
    for run in found:
        try:
            read.append(Read(run, rules.history(run)))
        except ValueError as error:
            damaged.append(Problem(run.path, str(error)))
    if suite is not None:
        mine = [one for one in read if one.run.record.identity.task in suite.tasks]
        return Snapshot((_view(suite, mine),), tuple(damaged), len(read) - len(mine))
    named = {one.run.record.runtime.suite for one in read}
    suites = [one for one in all_suites if one.name in named]
    views = [_view(one, [r for r in read if r.run.record.identity.task in one.tasks]) for one in suites]
    covered = {task for one in suites for task in one.tasks}
    if rest := [one for one in read if one.run.record.identity.task not in covered]:
        views.append(_view(None, rest))
    return Snapshot(tuple(views), tuple(damaged), 0)


def _view(suite: Suite | None, read: Sequence[Read]) -> View:
    return View(suite, tuple(one.run for one in read), tuple(scores.rows(read, suite)))
