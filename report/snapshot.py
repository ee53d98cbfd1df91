"""A store as the report sees it: read once, divided into views, one per suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.report import costs, published, rules, scores, statistics
from bench.report.costs import Clock, Cost
from bench.report.published import Quoted
from bench.report.scores import Read, Row
from bench.report.statistics import Complete, Estimate
from bench.results import reader
from bench.results.reader import Problem, Run
from bench.results.schema import Suite

PUBLISHED = "published"
NO_SEED = "no seed that every task has"


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
class Entrant:
    """An agent's complete runs x tasks matrix of normalised scores: what every comparison over tasks takes."""

    label: str
    scale: str  # PUBLISHED for other people's
    complete: Complete
    rule: str
    rows: tuple[Row, ...]  # the measured rows behind it

    @property
    def quoted(self) -> bool:
        return self.scale == PUBLISHED


@dataclass(frozen=True)
class View:
    """The runs that one suite takes in; suite None: runs of tasks that none of the suites at hand has."""

    suite: Suite | None
    runs: tuple[Run, ...]
    rows: tuple[Row, ...]
    clocks: Mapping[Path, Clock]  # by run folder; runs whose hours are not known are absent

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(row.task for row in self.rows))

    @property
    def scales(self) -> list[str]:
        return sorted({row.scale for row in self.rows}, key=lambda s: ("paper", "small", "tiny").index(s))

    def name(self, row: Row | Entrant | Aggregate | Cost) -> str:
        """An agent's name here: with its scale where there are several."""
        several = len(self.scales) > 1 and row.scale != PUBLISHED
        return f"{row.label} · {row.scale}" if several else row.label

    @property
    def incomparable(self) -> str:
        """Why nothing is said over tasks, in one sentence; "" where something is."""
        if self.suite is None:
            return "These tasks belong to no suite: nothing is averaged over them."
        if not set(self.suite.tasks) <= self.suite.references.keys():
            return f"{self.suite.name} has no normalisation: nothing is averaged over its tasks."
        if len({task.partition("/")[0] for task in self.suite.tasks}) > 1:
            return f"{self.suite.name} mixes protocols, which are never averaged."
        if len(self.suite.tasks) < 2:
            return f"{self.suite.name} has one task: its scores stand below."
        if not any(sum(bool(row.by_seed()) for row in mine) > 1 for mine in self._by_agent.values()):
            return "No agent has scores on two tasks or more yet: nothing is averaged over tasks."
        return ""

    @cached_property
    def _by_agent(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row.scale, row.label), []).append(row)
        return found

    @cached_property
    def entrants(self) -> list[Entrant]:
        """Measured agents with a seed that two tasks or more have, then published ones whose single seeds are known."""
        if self.suite is None or self.incomparable:
            return []
        found = []
        for (scale, label), rows in self._by_agent.items():
            per_task: dict[str, dict[int, float]] = {task: {} for task in self.suite.tasks}
            per_task |= {row.task: row.by_seed() for row in rows}
            if complete := statistics.complete(per_task):
                found.append(Entrant(label, scale, complete, rows[0].rule, tuple(rows)))
        return found + _published_entrants(self.suite)

    def aggregates(self) -> list[Aggregate]:
        """One per agent and scale with scores on two tasks or more, then the suite's published agents."""
        if self.suite is None or self.incomparable:
            return []
        complete = {(one.scale, one.label): one for one in self.entrants}
        several = {key: mine for key, mine in self._by_agent.items() if sum(bool(row.by_seed()) for row in mine) > 1}
        return [
            _aggregate(self.suite, *key, complete[key]) if key in complete else Aggregate(key[1], key[0], NO_SEED, {})
            for key in several
        ] + _published(self.suite, [one for one in self.entrants if one.quoted])


def _aggregate(suite: Suite, scale: str, label: str, one: Entrant) -> Aggregate:
    notes = []
    if diverged := sum(each.diverged for row in one.rows for each in row.runs):
        notes.append(f"{diverged} diverged, as the random policy")
    if marked := sum(bool(row.mark) for row in one.rows):
        notes.append(f"{scores.WIRING} on {marked} of them")
    if one.complete.left_out:
        notes.append(one.complete.left_out)
    return Aggregate(label, scale, _over(one.complete, suite), _estimates(one.complete), tuple(notes))


def _estimates(complete: Complete) -> dict[str, Estimate]:
    return statistics.aggregates(complete.matrix, len(complete.seeds), len(complete.tasks))


def _over(complete: Complete, suite: Suite) -> str:
    seeds = len(complete.seeds)
    return f"{len(complete.tasks)} of {len(suite.tasks)} tasks × {seeds} seed{'s' if seeds != 1 else ''}"


def _quoted(suite: Suite) -> dict[str, dict[str, Quoted]]:
    """{agent: {task: score}} of published agents over all tasks of the suite; those that lack a task are left out."""
    by_task = {task: {one.label: one for one in published.quoted(suite, task)} for task in suite.tasks}
    return {
        label: {task: several[label] for task, several in by_task.items()}
        for label in suite.published
        if all(label in several for several in by_task.values())
    }


def _rules(mine: Mapping[str, Quoted]) -> str:
    return ", ".join(sorted({one.rule for one in mine.values()}))


def _published_entrants(suite: Suite) -> list[Entrant]:
    found = []
    for label, mine in _quoted(suite).items():
        seeds = {
            task: {seed: scores.normalised(value, suite.references[task]) for seed, value in one.seeds.items()}
            for task, one in mine.items()
        }
        complete = statistics.complete(seeds)
        if complete and not complete.left_out:
            found.append(Entrant(label, PUBLISHED, complete, _rules(mine), ()))
    return found


def _published(suite: Suite, entrants: Sequence[Entrant]) -> list[Aggregate]:
    """Without a complete set of single seeds there are only task means, whose mean and median are as good."""
    complete = {one.label: one.complete for one in entrants}
    found = []
    for label, mine in _quoted(suite).items():
        if label in complete:
            over, estimates = _over(complete[label], suite), _estimates(complete[label])
        else:
            means = [scores.normalised(one.estimate.value, suite.references[task]) for task, one in mine.items()]
            over = f"{len(means)} of {len(means)} tasks, means over seeds"
            estimates = statistics.of_means(means)
        found.append(Aggregate(label, PUBLISHED, over, estimates, (_rules(mine),)))
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
    first: dict[str, Run] = {}
    for run in sorted(found, key=lambda one: (-one.record.counters.get("frames", 0), one.path)):
        one = first.setdefault(run.record.identity.digest, run)
        if one is not run:
            other = one.path.relative_to(root).as_posix()
            damaged.append(Problem(run.path, f"a copy of {other}, which has got at least as far: not counted"))
            continue
        try:
            read.append(Read(run, rules.history(run)))
        except ValueError as error:
            damaged.append(Problem(run.path, str(error)))
    damaged.sort(key=lambda problem: problem.path)
    read.sort(key=lambda one: one.run.path)
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
    runs = tuple(one.run for one in read)
    clocks = {run.path: clock for run in runs if (clock := costs.clock(run))}
    return View(suite, runs, tuple(scores.rows(read, suite)), clocks)
