"""`bench run-one`: one run in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.benchmarks.errors import RequestError


def run_one(folder: Annotated[Path, typer.Argument(help="A run folder that `bench run` planned.")]) -> None:
    """Carry one planned run to its end in this process, as every executor does.

    [dim]bench run-one runs/toy/reach/random/s0-0123456789[/dim]

    Exit status: 0 finished; 1 failed or diverged; 2 no such run; 3 interrupted; 75 another process owns the run.
    """
    from bench.benchmarks.run_one import run_one as carry
    from bench.results import reader

    try:
        reader.load(folder)
    except ValueError as error:
        raise RequestError(f"no run to carry on: {error}") from error
    raise typer.Exit(carry(folder))
