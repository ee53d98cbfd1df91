"""What a person sees while runs go on: one table that refreshes in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.benchmarks.executor import Local
from bench.benchmarks.plan import Planned
from bench.results import lease, reader
from bench.results.reader import Run

LINES_EVERY = 30.0  # seconds between progress lines where there is no terminal


def clock(seconds: float | None) -> str:
    """3725 -> "1:02:05"; "" for None."""
    if seconds is None:
        return ""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def table(runs: Sequence[Run]) -> Table:
    """Status, stage, progress, speed, time left and last score of runs."""
    grid = Table(box=None, pad_edge=False)
    for name in ("run", "status", "stage", "done", "frames", "steps/s", "left", "score"):
        justify = "left" if name in ("run", "status", "stage") else "right"
        grid.add_column(name, justify=justify, no_wrap=name != "run")  # type: ignore[arg-type]
    for run in runs:
        grid.add_row(*_cells(run))
    return grid


def _cells(run: Run) -> list[str]:
    identity, record = run.record.identity, run.record
    name = f"{identity.label} {identity.task} s{identity.seed}"
    progress: dict[str, Any] = (run.lease or {}).get("progress") or {}
    if run.status != "running" or not progress:
        done = record.counters.get("frames", 0)
        share = f"{done / record.runtime.budget.frames:4.0%}"
        return [name, run.status, record.reason[:60], share, f"{done:,}", "", "", _number(record.score)]
    score = progress["score"]
    return [
        name, run.status, progress["stage"], f"{progress['fraction']:4.0%}", f"{progress['frames']:,}",
        f"{progress['speed']:,.0f}", clock(progress["eta"]), _number(score),
    ]  # fmt: skip


def _number(score: float | None) -> str:
    return "" if score is None else f"{score:,.1f}"


def _load(paths: Sequence[Path]) -> list[Run]:
    return [reader.load(path) for path in paths if (path / "run.json").exists()]


class Watch:
    """Follows an executor: `with Watch(console, runs) as watch: executor.execute(runs, watch)`."""

    def __init__(self, console: Console, runs: Sequence[Planned]):
        self._console, self._runs = console, runs
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._said: dict[Path, str] = {}
        self._next = self._next_line = 0.0

    def __enter__(self) -> Watch:
        if self._live is not None:
            self._live.__enter__()
        self._next_line = time.time() + LINES_EVERY
        return self

    def __exit__(self, *error: Any) -> None:
        self._next = 0.0
        self(None)
        if self._live is not None:
            self._live.__exit__(*error)

    def __call__(self, executor: Local | None) -> None:
        now = time.time()
        if now < self._next:
            return
        self._next = now + 0.5
        runs = _load([run.path for run in self._runs])
        if self._live is not None:
            height = max(self._console.height - 6, 5)
            active = sorted(runs, key=lambda run: (run.status != "running", run.status == "finished"))[:height]
            grid = table(active)
            finished = sum(run.status == "finished" for run in runs)
            grid.title = f"{finished} of {len(self._runs)} runs finished"
            self._live.update(grid, refresh=True)
            return
        for run in runs:
            before = self._said.get(run.path, "planned")
            if run.status != before:
                self._said[run.path] = run.status
                cells = _cells(run)
                reasons = [run.record.reason]
                if "running" not in (run.status, before):  # it began and ended between two looks
                    reasons[:0] = run.record.sessions[-1].get("restored", []) if run.record.sessions else []
                reason = "; ".join(filter(None, reasons))
                self._console.print(f"{cells[1]:<12} {cells[0]}" + (f"  {reason}" if reason else ""), highlight=False)
        if now > self._next_line:
            self._next_line = now + LINES_EVERY
            for run in runs:
                if run.status == "running" and (lease.read(run.path) or {}).get("progress"):
                    name, _, stage, share, frames, speed, left, score = _cells(run)
                    line = f"  {name}: {stage} {share}, {frames} frames, {speed} steps/s, {left} left, {score}"
                    self._console.print(line, highlight=False)
