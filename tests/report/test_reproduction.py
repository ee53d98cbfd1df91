"""Ours against a paper's, task by task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.benchmarks import suites
from bench.report import papers, reproduction, snapshot
from bench.report.grid import Cell, Grid
from bench.report.significance import Sample, welch


def compared(name: str, root: Path) -> list[Grid]:
    paper = papers.get(name)
    suite = suites.get(paper.suite)
    return reproduction.build(paper, suite, snapshot.take(root, suite).read)


def test_welch_is_scipys():
    draw = np.random.RandomState(0)
    a, b = draw.normal(1, 2, size=5), draw.normal(0, 0.5, size=3)
    found = welch(Sample(a.mean(), a.std(ddof=1), 5), Sample(b.mean(), b.std(ddof=1), 3))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert found is not None
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.difference == pytest.approx(a.mean() - b.mean())


def test_no_test_of_one_run_or_without_any_deviation():
    assert welch(Sample(1.0, 0.0, 1), Sample(2.0, 1.0, 5)) is None
    assert welch(Sample(1.0, 0.0, 3), Sample(1.0, 0.0, 3)) is None


def test_a_difference_is_tested_from_three_runs_on(write, root: Path):
    for seed in range(3):
        write("dmc-state/walker_walk", "ours", seed, final=970.0 + seed, frames=1_000_000, scale="paper", suite="dmc")
        write("dmc-state/dog_run", "ours", seed, final=10.0 + seed, frames=1_000_000, scale="paper", suite="dmc")
    at_500k, at_1m = compared("tdmpc2/dmc", root)
    assert "evaluation@500k, against TD-MPC2, evaluation@500k" in at_500k.title
    rows = {str(row[0]): row for row in at_1m.rows}
    walk = rows["dmc-state/walker_walk"]
    assert isinstance(walk[5], Cell)
    assert walk[5].value == pytest.approx(971 - 979.7, abs=0.1)
    assert 0.001 < float(str(walk[6])) < 0.1
    assert isinstance(rows["dmc-state/dog_run"][3], Cell)
    text = at_1m.markdown()
    assert "of 2 tasks; without any difference 0.1 are expected" in text
    assert "published protocol: dm_control" in text
    assert "our protocol, dmc-state/1" in text
    assert "ours in one of their own" in text
    assert "scale" not in text.partition("- difference")[2]


def test_two_runs_are_compared_without_a_test_and_with_every_warning(write, root: Path):
    for seed in range(2):
        write("atari/pong", "ours", seed, final=5.0, frames=4_000, scale="tiny", suite="atari100k")
    (grid,) = compared("simulus/atari100k", root)
    ((task, theirs, _, ours, _, difference, p),) = grid.rows
    assert (task, p) == ("atari/pong", "–")
    assert isinstance(theirs, Cell) and isinstance(ours, Cell) and isinstance(difference, Cell)
    assert theirs.value is not None and ours.value is not None
    assert difference.value == pytest.approx(ours.value - theirs.value)
    text = grid.markdown()
    for words in (
        "fewer than 3 runs of ours",
        "scale tiny",
        "frames differ: published 400,000, ours 4,000",
        "wiring only",
    ):
        assert words in text


def test_what_a_source_does_not_give_is_not_tested(write, root: Path):
    for seed in range(3):
        write("carracing/v3", "ours", seed, final=900.0 + seed, frames=1_000, scale="small", suite="carracing")
    (grid,) = compared("world_models/carracing", root)
    assert "the source gives no deviation over two runs or more" in grid.markdown()


def test_runs_without_a_score_are_named(write, root: Path):
    write("atari/pong", "ours", 0, final=5.0, frames=400_000, upto=100_000, scale="paper", status="failed", reason="x")
    (grid,) = compared("simulus/atari100k", root)
    assert "atari/pong: runs complete: 0 of 1: 1 failed" in grid.markdown()
    assert "no test, no score to compare" in grid.markdown()
    assert compared("tdmpc2/dmc", root) == []
