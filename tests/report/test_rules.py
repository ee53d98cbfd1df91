"""Which episodes make a score."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import rules
from bench.report.rules import History, Point
from bench.results import reader

FOUND = History(
    evaluation=[Point(100_000, 1.0, 10), Point(200_008, 2.0, 10), Point(400_000, 9.0, 100), Point(600_000, 3.0, 10)],
    training=[Point(390_000, 5.0, 1), Point(390_004, 6.0, 1), Point(400_000, 8.0, 1), Point(400_400, 100.0, 1)],
)


@pytest.mark.parametrize(
    ("text", "target", "score"),
    [
        ("evaluation@last", 600_000, Point(600_000, 3.0, 10)),  # the last, not the best
        ("evaluation@last", 400_000, Point(400_000, 9.0, 100)),  # a longer run serves a shorter budget
        ("evaluation@last", 300_000, Point(200_008, 2.0, 10)),
        ("evaluation@last", 50_000, None),
        ("evaluation@100k", 400_000, Point(100_000, 1.0, 10)),
        ("evaluation@200k", 400_000, Point(200_008, 2.0, 10)),  # environments in step overshoot a little
        ("evaluation@300k", 400_000, None),
        ("training@390k-400k", 400_000, Point(400_000, 7.0, 2)),  # after the left edge, up to the right one
        ("training@0-100k", 400_000, None),
        ("training@390k-400k/last", 400_000, Point(400_000, 7.0, 2)),
        ("training@391k-399k/last", 400_000, Point(390_004, 6.0, 1)),
        ("training@100k-200k/last", 400_000, None),
    ],
)
def test_rule(text: str, target: int, score: Point | None):
    assert rules.apply(rules.parse(text), FOUND, target, every=100_000) == score


@pytest.mark.parametrize(
    ("text", "frames", "reduced"),
    [
        ("evaluation@last", 4_000, "evaluation@last"),
        ("evaluation@1M", 4_000, "evaluation@last"),
        ("training@390k-400k", 4_000, "training@3900-4000/last"),
    ],
)
def test_the_rule_of_a_shorter_budget(text: str, frames: int, reduced: str):
    assert rules.reduced(text, frames) == reduced
    assert rules.parse(reduced).text == reduced


@pytest.mark.parametrize("text", ["", "last", "evaluation@best", "training@400k", "evaluation@1.5M", "evaluation@100G"])
def test_what_is_no_rule_is_refused(text: str):
    with pytest.raises(ValueError, match="is no score rule; the rules are evaluation@last"):
        rules.parse(text)


def test_cut_and_stopped_episodes_and_other_modes_do_not_count(write, root: Path):
    folder = write(frames=1_000, points=1)
    at = '"tick":1,"agent_steps":500,"frames":1000,"updates":1'
    with open(folder / "events.jsonl", "a") as file:
        for end in ("cut", "stopped"):
            file.write(f'{{"event":"episode",{at},"episode":9,"seed":9,"ret":1e9,"length":5,"end":"{end}"}}\n')
        file.write(f'{{"event":"evaluation",{at},"mode":"react","returns":[1e9],"lengths":[5],"seeds":[1]}}\n')
        file.write(f'{{"event":"evaluation",{at},"mode":"evaluate","returns":[1e9]')  # a line still being written
    found = rules.history(reader.load(folder))
    assert len(found.training) == 4
    assert [point.frames for point in found.evaluation] == [1_000]
    assert max(point.value for point in found.evaluation + found.training) == pytest.approx(1.0)
