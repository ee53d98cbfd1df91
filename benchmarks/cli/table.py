"""`bench table`: one table, to paste into a paper, an issue or a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bench.benchmarks.cli import options
from bench.benchmarks.errors import RequestError, nearest

if TYPE_CHECKING:
    from bench.report import grid, suite_tables
    from bench.report.grid import Grid
    from bench.report.snapshot import Snapshot
    from bench.results.schema import Suite

THROUGHPUT = "throughput"  # what `bench throughput --save` kept: a table of no suite


def table(
    kind: Annotated[
        str, typer.Argument(help="scores, aggregates or cost, of what --suite measured; or throughput.")
    ] = "scores",
    paper: Annotated[str, typer.Option(help="Instead: a paper's table, ours beside it (bench list papers).")] = "",
    suite: options.SuiteName = "",
    runs: options.Root = Path("runs"),
    form: Annotated[str, typer.Option("--format", help="markdown, latex (booktabs) or csv.")] = "markdown",
) -> None:
    """Print a table: scores per task with intervals, aggregates, cost, or a paper's table with our columns beside.

    [dim]bench table --suite toy[/dim]

    [dim]bench table cost --suite toy --format latex[/dim]

    [dim]bench table --paper simulus/atari100k[/dim]

    [dim]bench table throughput --format csv[/dim]
    """
    from bench.report import grid, suite_tables

    if form not in grid.FORMATS:
        raise RequestError(f"unknown format {form!r}.{nearest(form, grid.FORMATS)} Known: {', '.join(grid.FORMATS)}")
    kinds = (*suite_tables.KINDS, THROUGHPUT)
    if kind not in kinds:
        raise RequestError(f"unknown table {kind!r}.{nearest(kind, kinds)} Known: {', '.join(kinds)}; or --paper P")
    if kind == THROUGHPUT:
        if named := f"--suite {suite}" if suite else f"--paper {paper}" if paper else "":
            raise RequestError(f"throughput is of no suite and no paper: leave {named} out")
        print("\n".join(one.render(cast("grid.Format", form)) for one in _throughput()), end="")
        return
    if runs.exists() and not runs.is_dir():
        raise RequestError(f"the runs folder {str(runs)!r} is a file; name a folder with --runs")
    if paper and suite:
        raise RequestError(f"--paper {paper} has its own suite: leave --suite {suite} out")
    try:
        tables = [_paper(paper, runs)] if paper else _suite(cast("suite_tables.Kind", kind), suite, runs)
    except LookupError as error:  # a name that nobody has
        raise RequestError(str(error)) from error
    print("\n".join(one.render(cast("grid.Format", form)) for one in tables), end="")


def _throughput() -> list[Grid]:
    from bench.benchmarks.throughput import measured
    from bench.report import throughput

    return throughput.tables(measured())


def _paper(name: str, runs: Path) -> Grid:
    from bench.benchmarks import suites
    from bench.report import paper_table, papers

    paper = papers.get(name)
    suite = suites.get(paper.suite)
    return paper_table.build(paper, suite, _take(runs, suite).read)


def _suite(kind: suite_tables.Kind, name: str, runs: Path) -> list[Grid]:
    from bench.benchmarks import suites
    from bench.report import suite_tables

    views = [view for view in _take(runs, suites.get(name) if name else None).views if view.rows]
    if not views:
        raise RequestError(f"no runs{f' of suite {name}' if name else ''} in {str(runs)!r}; name a store with --runs")
    return [suite_tables.build(kind, view) for view in views]


def _take(runs: Path, suite: Suite | None) -> Snapshot:
    """The store, what cannot be read of it said aside, where it spoils no table."""
    from bench.benchmarks import suites
    from bench.report import snapshot

    taken = snapshot.take(runs, suite, [suites.get(each) for each in suites.names()])
    for problem in taken.problems:
        typer.echo(f"cannot be read: {problem.path}: {problem.reason}", err=True)
    return taken
