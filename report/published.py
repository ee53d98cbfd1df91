"""What others measured on a task, chosen and summarised for standing beside our rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import statistics
from bench.report.statistics import Estimate
from bench.results import published
from bench.results.schema import Score, Suite


@dataclass(frozen=True)
class Quoted:
    """One published agent on one task under one rule."""

    label: str
    estimate: Estimate  # with an interval only where single seeds are public
    std: float | None  # over seeds, as published
    n: int | None
    frames: int | None
    rule: str
    protocol: str
    source: str
    seeds: dict[int, float]  # {seed: score}, empty where only a mean is public
    same_rule: bool  # as the suite's: only then may a difference be taken


def quoted(suite: Suite, task: str) -> list[Quoted]:
    """The suite's published agents on this task, in the suite's order; those without a score there are left out.

    Of an agent's rows those under the suite's own rule are taken, else those nearest to its paper budget.
    """
    found: list[Quoted] = []
    scores = published.scores([task])
    for name in suite.published:
        mine = [score for score in scores if published.label(score) == name]
        if mine:
            found.append(_summary(name, _nearest(mine, suite, task), suite.rule))
    return found


def _nearest(mine: Sequence[Score], suite: Suite, task: str) -> list[Score]:
    frames = suite.budget(task, "paper").frames if "paper" in suite.budgets else 0

    def distance(score: Score) -> tuple[bool, int, str]:
        return score.rule != suite.rule, abs((score.frames or 0) - frames), score.rule

    best = min(mine, key=distance)
    return [score for score in mine if (score.rule, score.frames) == (best.rule, best.frames)]


def _summary(name: str, mine: Sequence[Score], rule: str) -> Quoted:
    first = mine[0]
    per_seed = first.seed is not None
    estimate = statistics.mean([score.value for score in mine]) if per_seed else Estimate(first.value, None)
    return Quoted(
        label=name,
        estimate=estimate,
        std=first.std,
        n=len(mine) if per_seed else first.n,
        frames=first.frames,
        rule=first.rule,
        protocol=first.protocol,
        source=first.source,
        seeds={int(score.seed): score.value for score in mine if score.seed is not None},
        same_rule=first.rule == rule,
    )
