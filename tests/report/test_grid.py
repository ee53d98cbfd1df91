"""A table in its three formats."""

from __future__ import annotations

import csv
import io

import pytest

from bench.report.grid import Cell, Grid, marked
from bench.report.statistics import Estimate, Interval

GRID = Grid(
    "a title",
    ("task", "x_1 & co", "y|z"),
    (
        ("toy/a", Cell(2.5, 2.0, 3.0, best=True), Cell(None)),
        ("100 %", Cell(1234.5), Cell(-0.25, std=0.5, wiring=True)),
    ),
    ("a note",),
    rules=(1,),
)


def test_markdown():
    lines = GRID.markdown().splitlines()
    assert (lines[0], lines[-1]) == ("a title", "- a note")
    assert len({len(line) for line in lines[2:6]}) == 1
    cells = [[cell.strip() for cell in line.strip("|").replace("\\|", "!").split("|")] for line in lines[2:6]]
    assert cells[0] == ["task", "x_1 & co", "y!z"]
    assert cells[2:] == [["toy/a", "**2.50 [2.00, 3.00]**", "–"], ["100 %", "1,234", "-0.250 ± 0.500\\*"]]


def test_latex():
    assert GRID.latex().splitlines() == [
        "% a title",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"task & x\_1 \& co & y|z \\",
        r"\midrule",
        r"toy/a & \textbf{2.50 [2.00, 3.00]} & -- \\",
        r"\midrule",
        r"100 \% & 1,234 & -0.250 $\pm$ 0.500* \\",
        r"\bottomrule",
        r"\end{tabular}",
        "% a note",
    ]


def test_csv_has_plain_numbers_and_bounds_in_columns_of_their_own():
    assert list(csv.reader(io.StringIO(GRID.csv()))) == [
        ["task", "x_1 & co", "x_1 & co low", "x_1 & co high", "y|z", "y|z std"],
        ["toy/a", "2.5", "2", "3", "", ""],
        ["100 %", "1234.5", "", "", "-0.25", "0.5"],
    ]


@pytest.mark.parametrize(
    ("cells", "best"),
    [
        ([(3.0, 2.0), (2.5, 1.0), (1.9, 1.8)], [True, True, False]),  # the second lies within the first's interval
        ([(3.0, None), (2.9, None)], [True, False]),  # no interval to lie within
        ([(None, None), (1.0, 0.5)], [False, False]),  # alone in the row
    ],
)
def test_what_lies_within_the_bests_interval_is_marked(cells, best):
    found = marked([Cell(value, low, None if low is None else 9.0) for value, low in cells])
    assert [cell.best for cell in found] == best


def test_cells_of_estimates():
    assert Cell.of(Estimate(1.0, Interval(0.5, 2.0))).text() == "1.00 [0.500, 2.00]"
    assert Cell.of(Estimate(713.14, None), decimals=0).text() == "713"
    assert Cell.of(None).text() == "–"
