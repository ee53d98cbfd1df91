"""From runs to rows: one row per task, protocol, scale and agent, with all that its number needs to be believed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from bench.report import rules, statistics
from bench.report.rules import History, Point, Rule
from bench.report.statistics import Estimate, Interval
from bench.results.reader import Run
from bench.results.schema import Budget, Score, Suite, canonical

WIRING = "wiring only"
RULE = "evaluation@last"  # where no suite says otherwise


def normalised(value: float, references: tuple[float, float]) -> float:
    """0 is the first reference (the random policy), 1 the second (human or best)."""
    low, high = references
    return (value - low) / (high - low)


@dataclass(frozen=True)
class Scored:
    """One run under a rule."""

    run: Run
    history: History
    point: Point | None  # None: nothing to score yet
    complete: bool  # it has trained as far as the rule asks: only such runs are averaged
    stands: str  # in a word or two: "finished", "running, 40,000 frames", "failed", "diverged", ...

    @property
    def seed(self) -> int:
        return self.run.record.identity.seed

    @property
    def diverged(self) -> bool:
        return self.run.record.status == "diverged" and not self.complete


@dataclass(frozen=True)
class Row:
    """The runs of one agent on one task, of one protocol, scale and configuration. They differ in their seeds alone."""

    task: str
    protocol: str  # "atari/1"
    scale: str
    label: str  # agent[:variant], with "#1f2e" behind it where one label stands for several configurations
    rule: str
    unit: str
    target: int  # frames at which it is scored
    budget: int | None  # the suite's frames for this scale; None where it says nothing
    runs: tuple[Scored, ...]  # by seed
    estimate: Estimate | None  # mean over complete runs and, as the random policy, diverged ones; None: no such run
    without: Estimate | None  # the mean over complete runs alone, where diverged ones changed it
    substitute: float | None  # what a diverged run counts as; None: unknown, so it is left out
    references: tuple[float, float] | None  # the returns of (random, human or best)
    mark: str = ""  # "wiring only" where nothing was shown to learn
    notes: tuple[str, ...] = ()

    @property
    def short(self) -> bool:
        """Trained for less than the suite asks."""
        return self.budget is not None and self.target < self.budget

    @property
    def counted(self) -> tuple[Scored, ...]:
        return tuple(one for one in self.runs if one.complete)

    def normalise(self, value: float) -> float | None:
        """As `normalised`; None without references."""
        return normalised(value, self.references) if self.references else None

    @property
    def normalised(self) -> float | None:
        return self.normalise(self.estimate.value) if self.estimate else None

    def counts(self, one: Scored) -> float | None:
        """What one of the runs enters the estimate with; None where it is left out."""
        return one.point.value if one.complete and one.point else self.substitute if one.diverged else None

    def by_seed(self) -> dict[int, float]:
        """{seed: normalised score} of what the estimate averages; empty without references."""
        found: dict[int, float] = {}
        for one in self.runs:
            value = self.counts(one)
            if value is not None and (normalised := self.normalise(value)) is not None:
                found[one.seed] = normalised
        return found

    @property
    def standing(self) -> str:
        """How many runs are complete: "3", or "2 of 4: 1 diverged, 1 running"."""
        finished = len(self.counted)
        others = [one.stands for one in self.runs if not one.complete]
        if not others:
            return str(finished)
        counts = ", ".join(f"{others.count(what)} {what}" for what in dict.fromkeys(others))
        return f"{finished} of {len(self.runs)}: {counts}"

    @property
    def frames(self) -> str:
        """Frames at which the counted runs were scored: "400,000", or "390,000 to 400,000"."""
        at = sorted({one.point.frames for one in self.counted if one.point})
        return "" if not at else f"{at[0]:,}" if len(at) == 1 else f"{at[0]:,} to {at[-1]:,}"


class Group(NamedTuple):
    """What runs must share to be averaged."""

    task: str
    scale: str
    label: str
    protocol: str  # canonical JSON
    config: str  # canonical JSON


def _group(run: Run) -> Group:
    one = run.record.identity
    return Group(one.task, one.scale, one.label, canonical(one.protocol), canonical([one.config, one.collection]))


def short(protocol: Mapping[str, object]) -> str:
    """ "atari/1"."""
    return f"{protocol.get('name', '?')}/{protocol.get('version', '?')}"


class Read(NamedTuple):
    """A run and its events, read once."""

    run: Run
    history: History


def rows(read: Iterable[Read], suite: Suite | None) -> list[Row]:
    """Rows of these runs, ordered by task (as the suite lists them), scale and label."""
    groups: dict[Group, list[Read]] = {}
    for one in read:
        groups.setdefault(_group(one.run), []).append(one)
    order = {task: number for number, task in enumerate(suite.tasks)} if suite else {}
    built = [
        _row(group, members, suite, _twin(group, groups))
        for group, members in sorted(groups.items(), key=lambda item: (order.get(item[0].task, len(order)), *item[0]))
    ]
    return _marked(built)


def _twin(group: Group, groups: Collection[Group]) -> str:
    """What tells a label's configurations apart, "" where it has only one."""
    twins = {(other.protocol, other.config) for other in groups if other[:3] == group[:3]}
    return "#" + sha256((group.protocol + group.config).encode()).hexdigest()[:4] if len(twins) > 1 else ""


def _budget(suite: Suite | None, task: str, scale: str) -> Budget | None:
    if suite is None or not (scale in suite.budgets or scale in suite.task_budgets.get(task, {})):
        return None
    return suite.budget(task, scale)


def _row(group: Group, members: Sequence[Read], suite: Suite | None, twin: str) -> Row:
    rule = rules.parse(suite.rule if suite else RULE)
    asked = max(one.run.record.runtime.budget.frames for one in members)
    budget = _budget(suite, group.task, group.scale)
    target = min(asked, budget.frames) if budget else asked
    runs = tuple(sorted((_scored(one, rule, target) for one in members), key=lambda one: (one.seed, one.run.path)))

    notes: list[str] = []
    references = suite.references.get(group.task) if suite else None
    substitute = references[0] if references and suite and suite.reference_names[0] == "random" else None
    values = [one.point.value for one in runs if one.complete and one.point]
    lost = sum(one.diverged for one in runs)
    estimate = statistics.mean(values) if values else None
    without = None
    if lost and substitute is not None:
        without, estimate = estimate, statistics.mean(values + [substitute] * lost)
        notes.append(f"{lost} diverged, counted as the random policy ({substitute:g})")
    elif lost:
        notes.append(f"{lost} diverged, left out: the random policy's score is not known here")
    if budget and target < budget.frames:
        notes.append(f"{target:,} of the suite's {budget.frames:,} frames")
    return Row(
        task=group.task,
        protocol=short(members[0].run.record.identity.protocol),
        scale=group.scale,
        label=group.label + twin,
        rule=rule.text,
        unit=suite.unit if suite else "return",
        target=target,
        budget=budget.frames if budget else None,
        runs=runs,
        estimate=estimate,
        without=without,
        substitute=substitute,
        references=references,
        notes=tuple(notes),
    )


def _scored(read: Read, rule: Rule, target: int) -> Scored:
    run, found = read
    record, status = run.record, run.status
    point = rules.apply(rule, found, target, record.runtime.budget.every)
    needed = target if rule.end is None else rule.end
    reached = point.frames if point and rule.kind == "evaluation" else record.counters.get("frames", 0)
    ended = status == "finished" and record.runtime.budget.frames >= needed  # perhaps earlier, by the method's own end
    complete = point is not None and (ended or reached >= needed)
    if complete:
        stands = "finished"
    elif status == "finished":
        stands = f"short ({record.runtime.budget.frames:,} frames)" if not ended else "without a score"
    else:
        stands = status.replace("_", " ")
    return Scored(run, found, point, complete, stands)


def _marked(built: list[Row]) -> list[Row]:
    """Tiny rows are marked unless they were shown to learn: an interval wholly above that of the random agent.

    The random agent's own row is marked where nobody learned.
    """

    def place(row: Row) -> tuple[str, str, str]:
        return row.task, row.protocol, row.scale

    floors: dict[tuple[str, str, str], Interval] = {}
    for row in built:
        if row.label == "random" and row.estimate and row.estimate.interval:
            floors[place(row)] = row.estimate.interval

    def learned(row: Row) -> bool:
        floor = floors.get(place(row))
        interval = row.estimate.interval if row.estimate else None
        return floor is not None and interval is not None and interval.low > floor.high

    taught = {place(row) for row in built if learned(row)}

    def mark(row: Row) -> str:
        if row.scale != "tiny" or learned(row) or (row.label == "random" and place(row) in taught):
            return ""
        return WIRING

    return [replace(row, mark=mark(row)) for row in built]


def measured(found: Iterable[Row]) -> list[Score]:
    """The complete runs' scores as data, one per seed."""
    return [
        Score(
            task=row.task,
            protocol=row.protocol,
            agent=row.runs[0].run.record.identity.agent,
            variant=row.runs[0].run.record.identity.variant,
            frames=one.point.frames,
            value=one.point.value,
            rule=row.rule,
            unit=row.unit,
            source=f"run {one.run.record.identity.digest}",
            seed=str(one.seed),
            scale=row.scale,
        )
        for row in found
        for one in row.counted
        if one.point
    ]
