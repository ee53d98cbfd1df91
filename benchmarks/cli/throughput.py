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
    packed: Annotated[str, typer.Option(help="Then so many runs at once: each and together.", metavar="2,4,…")] = "",
    eager: Annotated[bool, typer.Option("--eager", help="On a GPU: without CUDA graphs.")] = False,
    sets: options.Sets = None,
    save: Annotated[Path | None, typer.Option(help="Append the rows to this CSV file.")] = None,
) -> None:
    """Updates (of every stage by itself), decisions, plans, imagination and frames per second, the runner's own work,
    memory, FLOPs and the fraction of the matrix rate; alone, and packed.

    [dim]bench throughput --agents random --tasks toy/reach[/dim]

    [dim]bench throughput --agents decqn --tasks toy/reach,atari/pong --save results/measured/throughput.csv[/dim]

    [dim]bench throughput --agents linear_q --packed 2,4[/dim]
    """
    from bench.benchmarks import plan
    from bench.benchmarks.run_one import pin_threads

    pin_threads(1)
    from bench.benchmarks import throughput as measuring

    several = measuring.parse_packed(packed)
    planned = plan.make(plan.Request(agents, "", tasks, "1", scale, "1", sets or (), Path("runs"), device))
    for run in planned.runs:
        beside = measuring.machine()
        rows = measuring.measure(run.identity, run.runtime.device, seconds, several, eager)
        label = f"{run.identity.label} on {run.identity.task} at {scale}"
        how = "eager" if eager or run.runtime.device == "cpu" else "CUDA graphs"
        print(f"{label}, {run.runtime.device}, {how}, one thread a run; {beside}")
        for row in rows:
            print(f"  {row.quantity:<34}{row.value:>14,.4g} {row.unit}")
        if save is not None:
            command = shlex.join(["bench", *sys.argv[1:]])
            measuring.append(rows, run.identity, run.runtime.device, beside, save, command, eager)
