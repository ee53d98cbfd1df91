"""`bench reproduce`: run what a paper's table needs, then set our scores against it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.benchmarks.cli import options
from bench.benchmarks.cli.run import carry_out, ending, finished
from bench.benchmarks.errors import RequestError


def reproduce(
    table: Annotated[str, typer.Argument(help="PAPER/TABLE (bench list papers).", metavar="PAPER/TABLE")],
    agents: Annotated[
        str, typer.Option(help="Instead of the paper's own agent here.", metavar="A[:V],…", show_default=False)
    ] = "",
    tasks: options.Tasks = "",
    seeds: options.Seeds = "5",
    scale: options.ScaleName = "paper",
    frames: options.Frames = "",
    runs: options.Root = Path("runs"),
    device: options.Device = "auto",
    jobs: options.Jobs = "auto",
    time_limit: options.TimeLimit = "",
) -> None:
    """Train what is missing of a paper's table, then compare: published, measured, difference, test, what differs.

    [dim]bench reproduce tdmpc2/dmc --tasks walker_walk --scale tiny --seeds 2[/dim]

    [dim]bench reproduce dreamerv3/dmc-proprio --seeds 5 --device cuda:0[/dim]

    Exit status as `bench run`.
    """
    from rich.console import Console

    from bench.benchmarks import plan, suites
    from bench.report import papers, reproduction, snapshot

    try:
        paper = papers.get(table)
    except LookupError as error:
        raise RequestError(str(error)) from error
    console = Console()
    request = plan.Request(
        agents or paper.agent,
        paper.suite,
        tasks or ",".join(paper.tasks),
        seeds,
        scale,
        frames or (paper.frames if scale == "paper" else ""),
        root=runs,
        device=device,
    )
    planned, stopped = carry_out(console, request, jobs, time_limit)
    good = finished(console, planned)
    suite, asked = suites.get(paper.suite), {run.identity.digest for run in planned.runs}
    taken = snapshot.take(runs, suite)
    for problem in taken.problems:
        typer.echo(f"cannot be read: {problem.path}: {problem.reason}", err=True)
    read = [one for one in taken.read if one.run.record.identity.digest in asked]
    for grid in reproduction.build(paper, suite, read):
        print(f"\n{grid.markdown()}", end="")
    raise typer.Exit(ending(console, good, stopped))
