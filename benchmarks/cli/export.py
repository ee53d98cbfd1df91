"""`bench export`: a store for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from bench.benchmarks.cli import options
from bench.benchmarks.errors import RequestError, nearest


def export(
    to: Annotated[str, typer.Option(help="csv, parquet or tensorboard.")] = "csv",
    runs: options.Root = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="The file, or TensorBoard's folder; default: in the store's export folder.")
    ] = None,
) -> None:
    """Write every episode as one row of a CSV or Parquet file, or the curves for TensorBoard.

    [dim]bench export --to parquet[/dim]

    [dim]bench export --to tensorboard --out logs[/dim]
    """
    from bench.results import export as exporting

    if to not in exporting.TARGETS:
        known = ", ".join(exporting.TARGETS)
        raise RequestError(f"nothing is exported to {to!r}.{nearest(to, exporting.TARGETS)} Known: {known}")
    target = cast(exporting.Target, to)
    if lacking := exporting.lacking(target):
        raise RequestError(f"--to {to} needs the package {lacking}, which is not here. Type: pip install {lacking}")
    default = runs / "export" / ("tensorboard" if to == "tensorboard" else f"episodes.{to}")
    try:
        print(exporting.export(runs, target, out or default))
    except (FileNotFoundError, ValueError) as error:
        raise RequestError(str(error)) from error
