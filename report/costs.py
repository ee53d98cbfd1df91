"""What runs cost in time: hours of the clock, and how far a run had come at each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.report.scores import Row
from bench.results.reader import Run


class Clock(NamedTuple):
    """Hours that a run's own process had taken when it reached a tick, evaluations and repeated work included.

    Runs that share a device count in full each: a clock cannot divide it.
    """

    ticks: np.ndarray  # [K], rising
    hours: np.ndarray  # [K], rising

    @property
    def total(self) -> float:
        return float(self.hours[-1])


def clock(run: Run) -> Clock | None:
    """From telemetry, else evenly between each session's start and end; None where neither is known."""
    return _telemetry(run) or _sessions(run)


def _telemetry(run: Run) -> Clock | None:
    path = run.path / "telemetry.jsonl"
    if not path.exists():
        return None
    reached: list[tuple[int, float]] = []
    elapsed, before = 0.0, None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                row = json.loads(line)
                kind, now, tick = str(row["telemetry"]), float(row["time"]), int(row["tick"])
            except (ValueError, KeyError, TypeError):
                continue  # a row without a tick, or one that a killed process left half-written: the next ones tell
            if kind == "start":
                before = now  # the time between two sessions costs nothing
            elapsed += max(0.0, now - (before if before is not None else now))
            before = now
            while reached and reached[-1][0] >= tick:  # work that a resume repeated: what it cost the first time stays
                reached.pop()
            reached.append((tick, elapsed / 3600))
    return Clock(*(np.array(side, float) for side in zip(*reached, strict=True))) if elapsed else None


def _sessions(run: Run) -> Clock | None:
    spans = [(str(session.get("start")), str(session["end"])) for session in run.record.sessions if session.get("end")]
    lasting = [datetime.fromisoformat(end) - datetime.fromisoformat(start) for start, end in spans]
    seconds = sum(one.total_seconds() for one in lasting)
    tick = run.record.counters.get("tick", 0)
    return Clock(np.array([0.0, tick]), np.array([0.0, seconds / 3600])) if seconds and tick else None


def device(run: Run) -> str:
    """What it ran on: "cpu: MODEL" or a GPU's name, "" where it never began."""
    pinned = run.record.pinned.get("device")
    names = [str((session.get("hardware") or {}).get("device", "")) for session in run.record.sessions]
    return str(pinned or next(filter(None, names), ""))


class Cost(NamedTuple):
    """What one agent's runs took, means over the complete runs."""

    label: str
    scale: str
    tasks: int
    runs: int
    frames: float
    updates: float
    hours: float | None  # a run's; None where no clock is known
    total: float  # hours of all its runs, whatever became of them
    devices: tuple[str, ...]

    @property
    def rate(self) -> float | None:
        """Updates per second of the clock, evaluations included."""
        return self.updates / self.hours / 3600 if self.hours else None


def of(rows: Sequence[Row], clocks: Mapping[Path, Clock]) -> list[Cost]:
    """One per agent and scale, in the rows' order."""
    by_agent: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_agent.setdefault((row.scale, row.label), []).append(row)
    return [_cost(label, scale, mine, clocks) for (scale, label), mine in by_agent.items()]


def _cost(label: str, scale: str, rows: Sequence[Row], clocks: Mapping[Path, Clock]) -> Cost:
    every = [one.run for row in rows for one in row.runs]
    counted = [one.run for row in rows for one in row.counted]
    hours = [clocks[run.path].total for run in counted if run.path in clocks]
    return Cost(
        label,
        scale,
        len(rows),
        len(counted),
        _mean([run.record.counters.get("frames", 0) for run in counted]),
        _mean([run.record.counters.get("updates", 0) for run in counted]),
        _mean(hours) if hours else None,
        sum(clocks[run.path].total for run in every if run.path in clocks),
        tuple(sorted({device(run) for run in every} - {""})),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
