"""`bench plan`: what `bench run` would do, and what it would need. Starts and writes nothing."""

from __future__ import annotations

from pathlib import Path

from bench.benchmarks.cli import options


def plan(
    agents: options.Agents,
    suite: options.SuiteName = "",
    tasks: options.Tasks = "",
    seeds: options.Seeds = "5",
    scale: options.ScaleName = "paper",
    frames: options.Frames = "",
    sets: options.Sets = None,
    runs: options.Root = Path("runs"),
    device: options.Device = "auto",
    jobs: options.Jobs = "auto",
    keep: options.Keep = "",
    rerun: options.Rerun = "",
) -> None:
    """Runs, what is done of them, hours, memory and disk. Starts nothing.

    [dim]bench plan --agents random --suite atari100k[/dim]

    [dim]bench plan --agents decqn --suite dmc --tasks walker_walk --seeds 0,1 --scale small[/dim]
    """
    from rich.console import Console

    from bench.benchmarks import forecast, packing
    from bench.benchmarks import plan as planning

    most = packing.parse(jobs)
    planned = planning.make(
        planning.Request(agents, suite, tasks, seeds, scale, frames, sets or (), runs, device, bool(keep), rerun)
    )
    forecast.show(Console(), planned, forecast.make(planned, most, runs), every_run=True)
