"""`bench run`: start, continue or widen runs; then the score table and the page."""

from __future__ import annotations

import re
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.benchmarks.cli import options
from bench.benchmarks.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.benchmarks.plan import Plan, Request


def run(
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
    time_limit: options.TimeLimit = "",
    keep: options.Keep = "",
    rerun: options.Rerun = "",
) -> None:
    """Train every agent x task x seed; the same command continues what is not finished.

    [dim]bench run --agents decqn,random --suite toy --scale tiny --seeds 3[/dim]

    [dim]bench run --agents random --suite atari100k --tasks pong,boxing --seeds 2 --scale tiny[/dim]

    Exit status: 0 all finished; 1 some failed or diverged; 2 wrong request, nothing started; 3 time limit; 130
    interrupted.
    """
    from rich.console import Console

    from bench.benchmarks import plan

    if keep not in ("", "all"):
        raise RequestError(f"--keep {keep!r}: the only value is all")
    console = Console()
    request = plan.Request(agents, suite, tasks, seeds, scale, frames, sets or (), runs, device, bool(keep), rerun)
    planned, stopped = carry_out(console, request, jobs, time_limit)
    raise typer.Exit(ending(console, close(console, planned, runs), stopped))


def carry_out(console: Console, request: Request, jobs: str, time_limit: str) -> tuple[Plan, str]:
    """Plan, forecast, train: the plan, and why training stopped before its end ("" where it did not)."""
    from bench.benchmarks import executor, forecast, packing, plan
    from bench.benchmarks.live import Watch

    deadline = time.time() + parse_duration(time_limit) if time_limit else None
    most = packing.parse(jobs)
    planned = plan.make(request)
    expected = forecast.make(planned, most, request.root)
    expected.packing.refuse(planned.work)
    plan.prepare(request.root)
    forecast.show(console, planned, expected)
    if not planned.work:
        return planned, ""
    command = shlex.join(["bench", *sys.argv[1:]])
    local = executor.Local(request.root, expected.packing, deadline, command, console.print)
    with Watch(console, planned.work) as watch:
        return planned, local.execute(planned.work, watch).stopped


def ending(console: Console, good: bool, stopped: str) -> int:
    """The exit status: 0 all finished, 1 some failed or diverged, 3 the time limit, 130 interrupted."""
    if stopped and not good:
        console.print(f"stopped ({stopped}); the same command goes on from here")
        return 130 if stopped == "interrupted" else 3
    return 0 if good else 1


def finished(console: Console, planned: Plan) -> bool:
    """Print the runs that did not finish, with their reasons; whether all did."""
    from bench.results import reader

    bad = [
        run
        for run in (reader.load(p.path) for p in planned.runs if (p.path / "run.json").exists())
        if run.status != "finished"
    ]
    for run in bad:
        console.print(f"{run.status}: {run.path}  {run.record.reason}", highlight=False, soft_wrap=True)
    return not bad


def close(console: Console, planned: Plan, root: Path) -> bool:
    """Print what did not finish, the score table and the page's path; whether every run finished."""
    from bench import report
    from bench.benchmarks import suites
    from bench.results import faults

    good = finished(console, planned)
    lacking = report.available()
    if lacking:
        console.print(lacking, soft_wrap=True)
        return good
    from bench.report import page, tables

    console.print(tables.terminal(root, planned.suite))
    try:
        faults.point("report.write")
        path = page.write_page(
            root, planned.suite, root / "page" / f"{planned.suite.name}.html", [suites.get(n) for n in suites.names()]
        )
    except OSError as error:  # a full disk: the runs are complete without the page
        console.print(f"no page written: {error.strerror}; once that is mended, bench report writes it", soft_wrap=True)
        return False
    console.print(f"page: {path}", soft_wrap=True, highlight=False)
    return good


def parse_duration(text: str) -> float:
    """ "90s", "25m", "8h" in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not match or not float(match[1]):
        raise RequestError(f"--time-limit {text!r} is no duration; type 90s, 25m or 8h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
