"""The papers' tables: the numbers they are known by, and ours beside them under the same rule."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest

from bench.benchmarks import suites
from bench.report import paper_table, papers, snapshot
from bench.report.grid import FORMATS, Cell, Grid
from bench.report.papers import PAPERS
from bench.results import published


def table(name: str, root: Path | None = None) -> Grid:
    paper = papers.get(name)
    suite = suites.get(paper.suite)
    return paper_table.build(paper, suite, snapshot.take(root, suite).read if root else ())


def shown(grid: Grid, row: str) -> dict[str, str]:
    (found,) = [cells for cells in grid.rows if cells[0] == row]
    return {
        name: cell.text(intervals=False) if isinstance(cell, Cell) else cell
        for name, cell in zip(grid.head, found, strict=True)
    }


@pytest.mark.parametrize(
    ("column", "mean", "median", "iqm"),
    [
        ("Simulus", "1.645", "0.982", "0.990"),
        ("DreamerV3 (2024, last episodes)", "1.245", "0.480", "0.523"),
        ("DreamerV3 (2024, 390k-400k)", "1.247", "0.494", "–"),
        ("IRIS", "1.046", "0.289", "0.501"),
        ("DIAMOND", "1.459", "0.373", "0.641"),
        ("REM", "1.222", "0.280", "0.673"),
    ],
)
def test_human_normalised_aggregates(column: str, mean: str, median: str, iqm: str):
    grid = table("simulus/atari100k")
    assert [shown(grid, row)[column] for row in ("mean", "median", "IQM")] == [mean, median, iqm]


def test_means_over_28_tasks():
    for name in ("tdmpc2/dmc", "dcmpc/dmc"):
        mean = shown(table(name), "mean over 28 tasks")
        assert (mean["TD-MPC2 500k"], mean["TD-MPC2 1M"]) == ("713", "780")
        assert (mean["DC-MPC 500k"], mean["DC-MPC 1M"]) == ("742", "814")
        assert mean["DreamerV3 1M"] == "–"  # two tasks are missing


def test_means_of_the_dreamers():
    assert shown(table("dreamerv3/dmc-vision"), "mean over 20 tasks")["DreamerV3"] == "786"
    assert shown(table("dreamerv3/dmc-proprio"), "mean over 18 tasks")["DreamerV3"] == "754"
    assert shown(table("dreamer_v1/dmc-vision"), "mean over 20 tasks")["Dreamer at 4.9M"] == "810"


def test_tables_of_agents():
    assert shown(table("world_models/carracing"), "World Models (full)")["score"] == "906 ± 21"
    doom = shown(table("world_models/takecover"), "temperature 1.15")
    assert (doom["inside the dream"], doom["in the game"]) == ("918 ± 546", "1,092 ± 556")
    ablations = table("dcmpc/ablations")
    assert len(ablations.rows) > 20
    assert shown(ablations, "DC-MPC")["dog_run"] == "502.8"


@pytest.mark.parametrize("name", PAPERS)
def test_every_declared_column_has_scores_and_every_format_is_written(name: str):
    paper = PAPERS[name]
    tasks = paper.tasks or suites.get(paper.suite).tasks
    stated = {(published.label(one), one.rule) for one in published.scores(tasks)}
    assert {(column.label, column.rule) for column in (*paper.columns, *(own for _, own in paper.pairs))} <= stated
    grid = table(name)
    assert all(len(row) == len(grid.head) for row in grid.rows)
    for form in FORMATS:
        assert len(grid.render(form).splitlines()) > len(grid.rows)  # type: ignore[arg-type]


def test_a_table_takes_under_three_seconds():
    start = time.process_time()
    table("dreamerv3/atari100k")
    assert time.process_time() - start < 3


def test_a_wrong_name_gets_the_nearest():
    with pytest.raises(LookupError, match="Did you mean 'simulus/atari100k'.*bench list papers"):
        papers.get("simulus/atari100")


def test_ours_stand_beside_under_the_papers_rule(write, root: Path):
    for seed in range(3):
        write("dmc-state/dog_run", "ours", seed, final=100.0 + seed, frames=1_000_000, scale="paper", suite="dmc")
    grid = table("tdmpc2/dmc", root)
    assert grid.head[-2:] == ("ours 500k [measured]", "ours 1M [measured]")
    assert [shown(grid, "dog_run")[name] for name in grid.head[-2:]] == ["50.5", "101.0"]
    assert shown(grid, "mean over 28 tasks")["ours 1M [measured]"] == "–"
    assert any("ours at scale paper [measured]: evaluation@500k, 3 runs a task" in note for note in grid.notes)
    low = [row for row in csv.DictReader(io.StringIO(grid.csv())) if row["task"] == "dog_run"][0]
    assert float(low["ours 1M [measured] low"]) == pytest.approx(100.0)


def test_a_smaller_scale_is_marked_and_never_the_best(write, root: Path):
    for seed in range(2):
        write("atari/pong", "ours", seed, final=999.0, frames=4_000, scale="tiny", suite="atari100k")
    write("atari/pong", "ours", 2, final=1.0, upto=2_000, frames=4_000, scale="tiny", status="diverged")
    grid = table("simulus/atari100k", root)
    (row,) = [cells for cells in grid.rows if cells[0] == "pong"]
    assert grid.head[-1] == "ours tiny [measured]"
    assert isinstance(row[-1], Cell)
    assert (row[-1].best, row[-1].wiring) == (False, True)
    assert row[-1].value == pytest.approx((999 + 999 - 20.7) / 3)
    text = grid.markdown()
    for words in ("2 of 3: 1 diverged", "counted as the random policy", "not comparable", "wiring only"):
        assert words in text


def test_training_windows_of_a_short_run(write, root: Path):
    write("atari/pong", "ours", 0, final=4.0, frames=4_000, scale="tiny", suite="atari100k")
    grid = table("dreamerv3/atari100k", root)
    assert "training@3900-4000/last" in grid.markdown()
    assert shown(grid, "pong")["ours tiny [measured]"].startswith("4.00")
