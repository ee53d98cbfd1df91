"""From runs to rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.report import scores, snapshot
from bench.report.scores import Row
from bench.results.schema import Suite


def rows(root: Path, suite: Suite | None) -> list[Row]:
    return [row for view in snapshot.take(root, suite).views for row in view.rows]


def only(root: Path, suite: Suite | None) -> Row:
    found = rows(root, suite)
    assert len(found) == 1, found
    return found[0]


def test_mean_over_runs_with_interval_and_normalised(write, root: Path, toy: Suite):
    for seed, final in enumerate([1.0, 1.2, 1.4]):
        write("toy/reach", seed=seed, final=final)
    row = only(root, toy)
    assert row.estimate is not None
    assert row.estimate.value == pytest.approx(1.2)
    assert row.estimate.interval is not None
    assert row.estimate.interval.low == pytest.approx(1.0)
    assert row.normalised == pytest.approx(0.6)  # between 0 and 2
    assert (row.standing, row.frames, row.protocol) == ("3", "10,000", "toy/1")
    assert [score.value for score in scores.measured([row])] == pytest.approx([1.0, 1.2, 1.4])


def test_two_seeds_have_no_interval(write, root: Path, toy: Suite):
    write(seed=0, final=1.0)
    write(seed=1, final=2.0)
    row = only(root, toy)
    assert row.estimate == (pytest.approx(1.5), None)


def test_a_diverged_run_counts_as_the_random_policy_and_without(write, root: Path, toy: Suite):
    write("toy/maze", seed=0, final=18.0)
    write("toy/maze", seed=1, final=16.0)
    write("toy/maze", seed=2, upto=2_000, status="diverged")
    row = only(root, toy)
    assert row.estimate is not None
    assert row.without is not None
    assert row.estimate.value == pytest.approx((18 + 16 + 10) / 3)
    assert row.without.value == pytest.approx(17.0)
    assert row.by_seed() == pytest.approx({0: 0.8, 1: 0.6, 2: 0.0})
    assert row.standing == "2 of 3: 1 diverged"


def test_without_a_random_reference_a_diverged_run_is_left_out(write, root: Path, make_suite: Callable[..., Suite]):
    write("toy/maze", seed=0, final=18.0)
    write("toy/maze", seed=1, upto=2_000, status="diverged")
    row = only(root, make_suite(reference_names=("floor", "ceiling")))
    assert row.estimate is not None
    assert (row.estimate.value, row.without) == (pytest.approx(18.0), None)
    assert any("left out" in note for note in row.notes)


@pytest.mark.parametrize("status", ["planned", "interrupted", "failed", "out_of_memory", "running"])
def test_unfinished_runs_are_shown_and_not_averaged(write, root: Path, toy: Suite, status: str):
    write(seed=0, final=1.0)
    write(seed=1, final=100.0, upto=5_000, status=status)
    row = only(root, toy)
    assert row.estimate == (pytest.approx(1.0), None)
    shown = {"running": "interrupted", "out_of_memory": "out of memory"}.get(status, status)  # its owner is dead
    assert row.standing == f"1 of 2: 1 {shown}"


def test_a_run_that_goes_on_beyond_the_suites_budget_is_scored_at_it(write, root: Path, toy: Suite):
    write(seed=0, final=2.0, frames=20_000, upto=14_000, points=20, status="running")
    row = only(root, toy)
    assert row.estimate is not None
    assert (row.estimate.value, row.frames, row.target) == (pytest.approx(1.0), "10,000", 10_000)


def test_a_run_of_a_smaller_budget_is_not_averaged_with_longer_ones(write, root: Path, toy: Suite):
    write(seed=0, final=1.0)
    write(seed=1, final=50.0, frames=5_000)
    row = only(root, toy)
    assert row.estimate == (pytest.approx(1.0), None)
    assert row.standing == "1 of 2: 1 short (5,000 frames)"


@pytest.mark.parametrize("change", [{"version": 2}, {"scale": "tiny"}, {"config": {"rate": 0.2}}, {"variant": "wide"}])
def test_what_differs_in_more_than_the_seed_is_never_averaged(write, root: Path, toy: Suite, change: dict):
    write(seed=0, final=1.0)
    write(seed=1, final=2.0, **change)
    found = rows(root, toy)
    assert sorted(row.estimate.value for row in found if row.estimate) == pytest.approx([1.0, 2.0])
    assert len({(row.label, row.scale) for row in found}) == 2  # and can be told apart


def test_wiring_only_unless_learning_was_shown(write, root: Path, toy: Suite):
    for seed in range(3):
        write("toy/reach", "learner", seed, scale="tiny", final=1.0 + seed / 10)
        write("toy/reach", "idle", seed, scale="tiny", final=0.15 + seed / 10)  # above random, overlapping
        write("toy/reach", "random", seed, scale="tiny", final=0.1 + seed / 10)
        write("toy/maze", "learner", seed, scale="tiny", final=19.0)  # no random agent there: nothing shown
    marks = {(row.task, row.label): row.mark for row in rows(root, toy)}
    assert marks == {
        ("toy/reach", "learner"): "",
        ("toy/reach", "random"): "",
        ("toy/reach", "idle"): scores.WIRING,
        ("toy/maze", "learner"): scores.WIRING,
    }


def test_two_tiny_seeds_show_no_learning(write, root: Path, toy: Suite):
    for seed in range(2):
        write("toy/reach", "learner", seed, scale="tiny", final=100.0)
        write("toy/reach", "random", seed, scale="tiny", final=0.1)
    assert [row.mark for row in rows(root, toy)] == [scores.WIRING] * 2


def test_training_rule(write, root: Path, make_suite: Callable[..., Suite]):
    write(seed=0, final=1.0, evaluate=False)
    row = only(root, make_suite(rule="training@5k-10k"))
    assert row.estimate is not None
    assert row.estimate.value == pytest.approx(sum(range(21, 41)) / 20 / 40)


def test_views_without_a_suite(write, root: Path, make_suite: Callable[..., Suite]):
    write("toy/reach", seed=0)
    write("toy/maze", seed=0, suite="labyrinth")
    write("gym/CartPole-v1", seed=0, suite="")
    suites = [make_suite(), make_suite("toy/maze", name="labyrinth"), make_suite("toy/other", name="unused")]
    taken = snapshot.take(root, None, suites)
    assert [(view.suite and view.suite.name, view.tasks) for view in taken.views] == [
        ("toy", ["toy/reach", "toy/maze"]),
        ("labyrinth", ["toy/maze"]),
        (None, ["gym/CartPole-v1"]),
    ]
    assert [len(view.runs) for view in taken.views] == [2, 1, 1]
    assert snapshot.take(root, suites[1]).elsewhere == 2


def test_damaged_folders_are_problems_not_crashes(write, root: Path, toy: Suite):
    write(seed=0)
    (write(seed=1) / "run.json").write_text("{")
    folder = write(seed=2)
    events = (folder / "events.jsonl").read_text()
    (folder / "events.jsonl").write_text(events[:50] + "\n" + events)
    write(seed=3, final=float("nan"))
    taken = snapshot.take(root, toy)
    assert len(taken.views[0].runs) == 1
    assert sorted(problem.path.name[:2] for problem in taken.problems) == ["s1", "s2", "s3"]


def test_aggregates_use_the_seeds_every_task_has(mixed: Path, toy: Suite):
    found = {(one.label, one.scale): one for one in snapshot.take(mixed, toy).views[0].aggregates()}
    learner = found["learner", "small"]
    assert learner.over == "2 of 2 tasks × 3 seeds"
    assert learner.notes == ("1 diverged, as the random policy", "left out: seed 3 (none on toy/maze)")
    expected = [0.75, 0.8, 0.85, 0.8, 0.7, 0.0]  # reach 1.5 1.6 1.7 of 2; maze 18 17 and the random policy of 10..20
    assert learner.estimates["mean"].value == pytest.approx(sum(expected) / 6)
    assert ("learner:wide", "small") not in found
