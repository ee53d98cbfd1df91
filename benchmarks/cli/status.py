"""`bench status`: where every run of a store stands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from bench.benchmarks.cli import options


def status(
    runs: options.Root = Path("runs"),
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
) -> None:
    """Status, stage, progress, speed, time left and last score of every run in the store.

    [dim]bench status[/dim]

    [dim]bench status --runs /data/runs --watch[/dim]
    """
    from rich.console import Console, Group
    from rich.live import Live

    from bench.benchmarks import live
    from bench.benchmarks.errors import RequestError
    from bench.results import reader

    if not runs.is_dir():
        raise RequestError(f"there is no store at {str(runs)!r}; name one with --runs, or start one with bench run")

    def look() -> Group:
        found, problems = reader.runs(runs)
        counts: dict[str, int] = {}
        for run in found:
            counts[run.status] = counts.get(run.status, 0) + 1
        line = ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "no runs"
        return Group(live.table(found), line, *(f"unreadable: {problem.reason}" for problem in problems))

    console = Console()
    if not watch:
        console.print(look())
        return
    with Live(look(), console=console, auto_refresh=False) as screen:
        try:
            while True:
                time.sleep(1)
                screen.update(look(), refresh=True)
        except KeyboardInterrupt:
            return
