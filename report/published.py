"""What others measured on a task, chosen and summarised for standing beside our rows."""

from __future__ import annotations

import re
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
    same_rule: bool  # the suite's rule at its largest budget, the paper's: only then may a difference be taken


def quoted(suite: Suite, task: str) -> list[Quoted]:
    """The suite's published agents on this task, in the suite's order; those without a score there are left out.

    Of an agent's rows those under the suite's own rule and largest budget are taken, else those nearest in frames.
    """
    found: list[Quoted] = []
    # what an agent scores in its own dream is no score on the task
    scores = [score for score in published.scores([task]) if not score.rule.startswith("dream@")]
    frames = max(suite.budget(task, scale).frames for scale in suite.budgets)
    for name in suite.published:
        mine = [score for score in scores if published.label(score) == name]
        if mine:
            best = min(mine, key=lambda s: (not _same(s, suite.rule, frames), abs((s.frames or 0) - frames), s.rule))
            chosen = [score for score in mine if (score.rule, score.frames) == (best.rule, best.frames)]
            found.append(_summary(name, chosen, _same(best, suite.rule, frames)))
    return found


def _same(score: Score, rule: str, frames: int) -> bool:
    """Whether a published row answers to a suite's rule; "evaluation@4M" is the last one of 4M frames, within 5 %."""
    alike = score.rule == rule or (rule == "evaluation@last" and re.fullmatch(r"evaluation@\d+[kM]?", score.rule))
    return bool(alike) and score.frames is not None and abs(score.frames - frames) <= frames / 20


def _summary(name: str, mine: Sequence[Score], same: bool) -> Quoted:
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
        same_rule=same,
    )
