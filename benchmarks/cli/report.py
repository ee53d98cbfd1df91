"""`bench report`: the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.benchmarks.cli import options
from bench.benchmarks.errors import RequestError


def report(
    suite: options.SuiteName = "",
    runs: options.Root = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="The HTML file to write; default: in the store's page folder.")
    ] = None,
) -> None:
    """Write the page of a store: score table, curves, provenance, in one HTML file.

    [dim]bench report --suite toy[/dim]

    [dim]bench report --runs /data/runs --out comparison.html[/dim]
    """
    from bench import report as reporting
    from bench.benchmarks import suites

    if runs.exists() and not runs.is_dir():
        raise RequestError(f"the runs folder {str(runs)!r} is a file; name a folder with --runs")
    lacking = reporting.available()
    if lacking:
        raise RequestError(lacking)
    try:
        chosen = suites.get(suite) if suite else None
    except LookupError as error:
        raise RequestError(str(error)) from error
    from bench.report import page

    target = out or runs / "page" / f"{suite or 'all'}.html"
    print(page.write_page(runs, chosen, target, [suites.get(name) for name in suites.names()]))
