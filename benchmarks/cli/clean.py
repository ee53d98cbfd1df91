"""`bench clean`: give back disk that no score needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from bench.benchmarks.cli import options
from bench.benchmarks.errors import RequestError


def clean(
    runs: options.Root = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only what would go is listed.")] = False,
) -> None:
    """List (or with --yes delete) replays of finished runs, old checkpoints and folders moved aside by --rerun.

    Events, records and the last checkpoint always stay.

    [dim]bench clean[/dim]

    [dim]bench clean --runs /data/runs --yes[/dim]
    """
    from bench.results import checkpoints, reader

    if not runs.is_dir():
        raise RequestError(f"there is no store at {str(runs)!r}; name one with --runs")
    goes: list[Path] = [path for path in runs.rglob(".old-*") if path.is_dir()]
    for run in reader.runs(runs)[0]:
        if run.status == "finished":
            goes += [path for path in (run.path / "replay", *checkpoints.folders(run.path)[1:]) if path.exists()]
        goes += sorted(run.path.glob("checkpoints/*.tmp")) if run.status != "running" else []
    total = 0
    for path in goes:
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        total += size
        print(f"{size / 1e6:10.1f} MB  {path}")
        if yes:
            shutil.rmtree(path)
    if not goes:
        print("nothing to give back")
    else:
        print(f"{total / 1e6:10.1f} MB {'deleted' if yes else 'would go; add --yes'}")
