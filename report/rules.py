"""Score rules: which of a run's episodes make its score.

"evaluation@last"     the last evaluation at or before the budget's end, never the best
"evaluation@100k"     the evaluation at that frame
"training@390k-400k"  the training episodes that ended in that window of frames
"training@390k-400k/last"  the same, or the last episode before its end where none ended in it
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bench.results.reader import Run
from bench.results.schema import Episode, Evaluation

_UNITS = {"": 1, "k": 1_000, "M": 1_000_000}


@dataclass(frozen=True)
class Rule:
    """A parsed rule; `start` only of a window, `end` None for the last one."""

    text: str
    kind: Literal["evaluation", "training"]
    start: int | None
    end: int | None
    or_last: bool = False


def parse(text: str) -> Rule:
    """ValueError for what is no rule."""
    if text == "evaluation@last":
        return Rule(text, "evaluation", None, None)
    if found := re.fullmatch(r"evaluation@(\d+)([kM]?)", text):
        return Rule(text, "evaluation", None, int(found[1]) * _UNITS[found[2]])
    if found := re.fullmatch(r"training@(\d+)([kM]?)-(\d+)([kM]?)(/last)?", text):
        start, end = int(found[1]) * _UNITS[found[2]], int(found[3]) * _UNITS[found[4]]
        return Rule(text, "training", start, end, found[5] is not None)
    raise ValueError(
        f"{text!r} is no score rule; the rules are evaluation@last, evaluation@FRAMES and training@FRAMES-FRAMES[/last]"
    )


def reduced(text: str, frames: int) -> str:
    """The rule that stands for `text` where a run trains for `frames` only, as at a smaller scale: the last evaluation,
    or the same share of training at the end, which a short run may not fill with a whole episode."""
    rule = parse(text)
    if rule.kind == "evaluation" or rule.end is None:
        return "evaluation@last"
    return f"training@{frames * (rule.start or 0) // rule.end}-{frames}/last"


class Point(NamedTuple):
    """One evaluation (mean return of `episodes` episodes) or one training episode, at these frames."""

    frames: int
    value: float
    episodes: int
    updates: int = 0  # done by then
    tick: int = 0  # position in the run, by which its clock is read


class History(NamedTuple):
    """What a run's scores and curves are made of, in order of frames."""

    evaluation: list[Point]  # mode "evaluate"
    training: list[Point]  # episodes that the environment ended; cut and stopped ones have no return to speak of


def history(run: Run) -> History:
    """Read a run's events once. ValueError for a damaged row, or a return that is no finite number."""
    found = History([], [])
    for event in run.events():
        if isinstance(event, Evaluation):
            if event.mode == "evaluate" and event.returns:
                mean = sum(event.returns) / len(event.returns)
                at = event.at
                found.evaluation.append(Point(at.frames, mean, len(event.returns), at.updates, at.tick))
        elif isinstance(event, Episode) and event.end in ("terminated", "truncated"):
            found.training.append(Point(event.at.frames, event.ret, 1, event.at.updates, event.at.tick))
    for point in found.evaluation + found.training:
        if not math.isfinite(point.value):
            raise ValueError(f"{run.path}: the return at {point.frames:,} frames is {point.value}")
    return found


def apply(rule: Rule, found: History, target: int, every: int) -> Point | None:
    """A run's score under `rule`; None where it has none yet.

    target: the budget's end in frames. every: frames between evaluations. An evaluation "at" a frame happens after the
    first decision of all environments that reaches it: up to a tenth of `every` later is taken for at it.
    """
    end = target if rule.end is None else rule.end
    if rule.kind == "training":
        start = rule.start or 0
        window = [point for point in found.training if start < point.frames <= end]
        if not window and rule.or_last:
            window = [point for point in found.training if point.frames <= end][-1:]
        if not window:
            return None
        return Point(window[-1].frames, sum(point.value for point in window) / len(window), len(window))
    late = min(every, end) // 10
    before = [point for point in found.evaluation if point.frames <= end + late]
    if rule.end is not None:
        before = [point for point in before if point.frames >= end]
    return before[-1] if before else None
