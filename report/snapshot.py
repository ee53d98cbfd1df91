"""A store as the report sees it: read once, divided into views, one per suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import published, rules, scores, statistics
from bench.report.scores import Read, Row
from bench.report.statistics import Complete, Estimate
from bench.results import reader
from bench.results.reader import Problem, Run
from bench.results.schema import Suite

PUBLISHED = "published"


@dataclass(frozen=True)
class Aggregate:
    """An agent over the tasks of a suite, in normalised scores."""

    label: str
    scale: str  # PUBLISHED for other people's
    over: str  # "26 of 26 tasks × 5 seeds"
    estimates: dict[str, Estimate]  # by statistics.AGGREGATES; IQM and optimality gap only where single seeds are known
    notes: tuple[str, ...] = ()

    @property
    def quoted(self) -> bool:
        return self.scale == PUBLISHED


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
        """One per agent and scale with scores on two tasks or more, then the suite's published agents.

        Empty where the suite lacks references, mixes protocols (which are never averaged), or nothing was measured on
        two tasks.
        """
        if self.suite is None or not set(self.suite.tasks) <= self.suite.references.keys():
            return []
        if len({task.partition("/")[0] for task in self.suite.tasks}) > 1:
            return []
        by_agent: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            by_agent.setdefault((row.scale, row.label), []).append(row)
        several = {key: mine for key, mine in by_agent.items() if sum(bool(row.by_seed()) for row in mine) > 1}
        found = [_aggregate(self.suite, label, scale, mine) for (scale, label), mine in several.items()]
        return found + _published(self.suite) if found else []


def _aggregate(suite: Suite, label: str, scale: str, rows: Sequence[Row]) -> Aggregate:
    complete = statistics.complete({task: {} for task in suite.tasks} | {row.task: row.by_seed() for row in rows})
    if complete is None:
        return Aggregate(label, scale, "no seed that every task has", {})
    notes = []
    if diverged := sum(one.diverged for row in rows for one in row.runs):
        notes.append(f"{diverged} diverged, as the random policy")
    if marked := sum(bool(row.mark) for row in rows):
        notes.append(f"{scores.WIRING} on {marked} of them")
    if complete.left_out:
        notes.append(complete.left_out)
    estimates = statistics.aggregates(complete.matrix, len(complete.seeds), len(complete.tasks))
    return Aggregate(label, scale, _over(complete, suite), estimates, tuple(notes))


def _over(complete: Complete, suite: Suite) -> str:
    seeds = len(complete.seeds)
    return f"{len(complete.tasks)} of {len(suite.tasks)} tasks × {seeds} seed{'s' if seeds != 1 else ''}"


def _published(suite: Suite) -> list[Aggregate]:
    """Published agents over all tasks of the suite; those that lack a task are left out.

    Without a complete set of single seeds there are only task means, whose mean and median over tasks are as good.
    """
    quoted = {task: {one.label: one for one in published.quoted(suite, task)} for task in suite.tasks}
    found = []
    for label in suite.published:
        if len(suite.tasks) < 2 or not all(label in several for several in quoted.values()):
            continue
        mine = {task: several[label] for task, several in quoted.items()}
        rules = ", ".join(sorted({one.rule for one in mine.values()}))
        complete = statistics.complete(
            {
                task: {seed: scores.normalised(value, suite.references[task]) for seed, value in one.seeds.items()}
                for task, one in mine.items()
            }
        )
        if complete and not complete.left_out:
            estimates = statistics.aggregates(complete.matrix, len(complete.seeds), len(complete.tasks))
            found.append(Aggregate(label, PUBLISHED, _over(complete, suite), estimates, (rules,)))
        else:
            means = [scores.normalised(one.estimate.value, suite.references[task]) for task, one in mine.items()]
            over = f"{len(means)} of {len(means)} tasks, means over seeds"
            found.append(Aggregate(label, PUBLISHED, over, statistics.of_means(means), (rules,)))
    return found


@dataclass(frozen=True)
class Snapshot:
    views: tuple[View, ...]
    problems: tuple[Problem, ...]  # run folders that cannot be read
    elsewhere: int  # runs of the store that belong to no view here

    @property
    def read(self) -> list[Read]:
        """The runs of all views with their events."""
        return [Read(one.run, one.history) for view in self.views for row in view.rows for one in row.runs]


def take(root: Path, suite: Suite | None, all_suites: Sequence[Suite] = ()) -> Snapshot:
    """Read the store: a suite's runs, or without one a view per suite that runs were started for and the rest."""
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
