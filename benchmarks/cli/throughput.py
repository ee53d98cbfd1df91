"""`bench throughput`: how fast an agent runs here."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.benchmarks.cli import options


def throughput(
    agents: options.Agents,
    tasks: options.Tasks = "toy/reach",
    scale: options.ScaleName = "paper",
    device: options.Device = "auto",
    seconds: Annotated[float, typer.Option(min=1, help="How long to train each pair.")] = 10.0,
    sets: options.Sets = None,
    save: Annotated[Path | None, typer.Option(help="Append the rows to this CSV file.")] = None,
) -> None:
    """Updates, decisions and frames per second, the runner's own work, memory, FLOPs and the fraction of the matrix
    rate.

    [dim]bench throughput --agents random --tasks toy/reach[/dim]

    [dim]bench throughput --agents decqn --tasks toy/reach,atari/pong --save results/measured/throughput.csv[/dim]
    """
    from bench.benchmarks import plan
    from bench.benchmarks.run_one import pin_threads

    pin_threads(1)
    planned = plan.make(plan.Request(agents, "", tasks, "1", scale, "1", sets or (), Path("runs"), device))
    from bench.benchmarks import throughput as measuring

    for run in planned.runs:
        rows = measuring.measure(run.identity, run.runtime.device, seconds)
        print(f"{run.identity.label} on {run.identity.task} at {scale}, {run.runtime.device}, eager, one thread")
        for row in rows:
            print(f"  {row.quantity:<28}{row.value:>14,.4g} {row.unit}")
        if save is not None:
            measuring.append(rows, run.identity, run.runtime.device, save, shlex.join(["bench", *sys.argv[1:]]))
