"""`bench plot`: one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.agents.common.names import unknown
from bench.benchmarks.cli import options
from bench.benchmarks.cli.table import THROUGHPUT
from bench.benchmarks.errors import RequestError


def plot(
    figure: Annotated[
        str,
        typer.Argument(
            help="aggregates, profiles, improvement, efficiency, hours, tasks; or throughput.", metavar="FIGURE"
        ),
    ],
    suite: options.SuiteName = "",
    runs: options.Root = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="The file: .svg, .png or .pdf; default: FIGURE.svg here.")] = None,
) -> None:
    """Write one figure of a suite's runs, or of the measured throughput, for a paper: SVG, PNG or PDF.

    [dim]bench plot aggregates --suite atari100k --out aggregates.pdf[/dim]

    [dim]bench plot tasks --suite toy --runs /data/runs --out curves.png[/dim]
    """
    from bench import report as reporting
    from bench.benchmarks import suites

    if figure != THROUGHPUT and not runs.is_dir():
        raise RequestError(f"there is no folder of runs at {str(runs)!r}; name one with --runs")
    if lacking := reporting.available():
        raise RequestError(lacking)
    from bench.report import figures, look

    if figure not in (known := (*figures.FIGURES, THROUGHPUT)):
        raise RequestError(unknown("figure", figure, known, "bench plot --help"))
    target = out or Path(f"{figure}.svg")
    if target.suffix not in look.SUFFIXES:
        raise RequestError(f"{str(target)!r} ends in none of {', '.join(look.SUFFIXES)}")
    if figure == THROUGHPUT:
        print(_throughput(target))
        return
    try:
        print(figures.write(figure, runs, suites.get(suite or _only(runs)), target))
    except (LookupError, figures.Unavailable) as error:
        raise RequestError(str(error)) from error


def _throughput(target: Path) -> Path:
    from bench.benchmarks.throughput import measured
    from bench.report import look, throughput

    target.parent.mkdir(parents=True, exist_ok=True)
    look.save([throughput.panel(measured())], {}, {}, target)
    return target


def _only(runs: Path) -> str:
    """The one suite that the store's runs were started for."""
    from bench.results import reader

    named = sorted({run.record.runtime.suite for run in reader.runs(runs)[0]} - {""})
    if len(named) != 1:
        several = f"runs of {', '.join(named)}" if named else "no runs of a suite"
        raise RequestError(f"the store has {several}; say which with --suite (bench list suites)")
    return named[0]
