"""Published scores of one column of a paper's table, and our runs scored by the same rule beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bench.report import rules, scores, statistics
from bench.report.papers import Column, Paper
from bench.report.scores import Read, Row
from bench.report.statistics import Estimate
from bench.results import published
from bench.results.schema import Suite


class Quote(NamedTuple):
    """What a source states of one agent on one task under one rule."""

    estimate: Estimate
    seeds: dict[str, float]  # single runs by the source's label, empty where only a mean is public
    std: float | None  # over seeds, ddof 1; None for fewer than 2
    n: int | None  # seeds
    episode_std: float | None  # over the episodes of one evaluation
    frames: int | None
    protocol: str
    source: str


def quote(task: str, label: str, rule: str) -> Quote | None:
    """None where the source has nothing on this task under this rule."""
    found = [one for one in published.scores([task]) if (published.label(one), one.rule) == (label, rule)]
    if not found:
        return None
    first = found[0]
    about = (first.episode_std, first.frames, first.protocol, first.source)
    if first.seed is None:
        return Quote(Estimate(first.value, None), {}, first.std, first.n, *about)
    seeds = {one.seed or "": one.value for one in found}
    values = list(seeds.values())
    return Quote(statistics.mean(values), seeds, statistics.deviation(values), len(values), *about)


@dataclass(frozen=True)
class Measured:
    """Our runs of one agent at one scale under one rule, beside the column they are compared with."""

    label: str  # agent[:variant]
    scale: str
    rule: str
    column: Column
    rows: dict[str, Row]  # by task


def measured(paper: Paper, suite: Suite, read: Sequence[Read]) -> list[Measured]:
    """By scale and agent: at scale `paper` one for each of the paper's rules, elsewhere one under the last of them as
    it reads for the shorter budget."""
    tasks = set(paper.tasks or suite.tasks)
    groups: dict[tuple[str, str], list[Read]] = {}
    for one in read:
        identity = one.run.record.identity
        if identity.task in tasks:
            groups.setdefault((identity.scale, identity.label), []).append(one)
    found = []
    for (scale, _), mine in sorted(groups.items()):
        asked = max(one.run.record.runtime.budget.frames for one in mine)
        last = paper.pairs[-1]
        pairs = paper.pairs if scale == "paper" else ((rules.reduced(last[0], asked), last[1]),)
        for rule, column in pairs:
            by_label: dict[str, dict[str, Row]] = {}
            for row in scores.rows(mine, replace(suite, rule=rule)):
                by_label.setdefault(row.label, {})[row.task] = row
            found += [Measured(label, scale, rule, column, rows) for label, rows in sorted(by_label.items())]
    return found
