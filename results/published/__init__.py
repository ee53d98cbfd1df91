"""Published scores and learning curves of our suites' tasks, as their authors released them. README.md has the sources.

`scores.csv.gz` holds one score a row, `curves.csv.gz` one curve a row (`frames` and `value` are lists there); both have
the same columns. Published and measured numbers never share a protocol string, so they cannot be averaged by accident.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.results.schema import Score

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Curve:
    """One seed's learning curve, or the mean over seeds where `seed` is "mean" (its source has no single seeds).

    frames: simulator steps, ascending. values: raw returns. rule: "evaluation" (each value is an evaluation) or
    "training" (the mean return of training episodes that ended near that frame).
    """

    task: str
    protocol: str
    agent: str
    variant: str
    seed: str
    rule: str
    unit: str
    source: str
    frames: tuple[int, ...]
    values: tuple[float, ...]


def label(row: Score | Curve) -> str:
    """The name that suites and legends use: "DC-MPC", or with its variant "DreamerV3 (2024 release)"."""
    return f"{row.agent} ({row.variant})" if row.variant else row.agent


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(HERE / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def _scores() -> dict[str, list[Score]]:
    by_task: dict[str, list[Score]] = {}
    for row in _rows("scores.csv.gz"):
        score = Score(
            task=row["task"],
            protocol=row["protocol"],
            agent=row["agent"],
            variant=row["variant"],
            frames=int(row["frames"]) if row["frames"] else None,
            value=float(row["value"]),
            rule=row["rule"],
            unit=row["unit"],
            source=row["source"],
            seed=row["seed"] or None,
            std=float(row["std"]) if row["std"] else None,
            n=int(row["n"]) if row["n"] else None,
            episode_std=float(row["episode_std"]) if row["episode_std"] else None,
        )
        by_task.setdefault(score.task, []).append(score)
    return by_task


def scores(tasks: Collection[str] | None = None) -> list[Score]:
    """Published scores of these tasks (of all where None): per seed where the seeds are public, else mean, std, n.

    `std` is the sample deviation over seeds (ddof 1). Rows of rule "reference" are the random policy and the human.
    """
    found = _scores()
    return [score for task in sorted(found if tasks is None else set(tasks)) for score in found.get(task, ())]


def curves(task: str) -> list[Curve]:
    """Published learning curves of one task, one per agent, variant and seed. Never average over variants."""
    return [
        Curve(
            **{key: row[key] for key in ("task", "protocol", "agent", "variant", "seed", "rule", "unit", "source")},
            frames=tuple(map(int, row["frames"].split())),
            values=tuple(map(float, row["value"].split())),
        )
        for row in _curve_rows().get(task, ())
    ]


@cache
def _curve_rows() -> dict[str, list[dict[str, str]]]:
    by_task: dict[str, list[dict[str, str]]] = {}
    for row in _rows("curves.csv.gz"):
        by_task.setdefault(row["task"], []).append(row)
    return by_task


def references(task: str) -> tuple[float, float] | None:
    """The published returns of (random policy, human), None where there are not both."""
    levels = {score.agent: score.value for score in scores([task]) if score.rule == "reference"}
    return (levels["random"], levels["human"]) if {"random", "human"} <= levels.keys() else None
