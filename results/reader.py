"""Reading a store: every run under a root, whatever state it is in, without importing anything heavy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.results import lease
from bench.results.schema import Event, RunRecord, Status, parse_event


@dataclass(frozen=True)
class Problem:
    """A run folder that cannot be read; it is shown, never skipped silently."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Run:
    """One run folder as it stands on the disk."""

    path: Path
    record: RunRecord

    @cached_property
    def lease(self) -> dict[str, Any] | None:
        return lease.read(self.path) if self.record.status == "running" else None

    @property
    def status(self) -> Status:
        """As recorded, but a running run whose owner died is interrupted."""
        if self.record.status == "running" and not lease.alive(self.lease):
            return "interrupted"
        return self.record.status

    @property
    def seconds(self) -> float | None:
        """Time by the clock of all its sessions, evaluations included; None where it never ran, and where a session was
        killed, whose end nobody wrote down."""
        spans = [(session["start"], session["end"]) for session in self.record.sessions]
        if not spans or any(end is None for _, end in spans):
            return None
        return sum(
            (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() for start, end in spans
        )

    def events(self) -> Iterator[Event]:
        """The rows of events.jsonl. An unfinished last line (a run that is being written) is left out; ValueError for a
        damaged one elsewhere."""
        path = self.path / "events.jsonl"
        if not path.exists():
            return
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n"):
                    return
                try:
                    yield parse_event(line)
                except ValueError as error:
                    raise ValueError(f"{path}, line {number}: {error}") from error


def folders(root: Path) -> Iterator[Path]:
    """Every run folder under `root`, sorted; those moved aside (".old-…") are left out."""
    stack = [root]
    while stack:
        here = stack.pop()
        with os.scandir(here) as entries:
            names = sorted((e.name for e in entries if e.is_dir(follow_symlinks=False)), reverse=True)
        if (here / "run.json").exists():
            yield here
            continue
        stack += [here / name for name in names if not name.startswith(".")]


def load(path: Path) -> Run:
    """The run in one folder. ValueError with the reason where it cannot be read."""
    try:
        text = (path / "run.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path / 'run.json'}: {error}") from error
    try:
        return Run(path, RunRecord.from_json(text))
    except ValueError as error:
        raise ValueError(f"{path / 'run.json'}: {error}") from error


def runs(root: Path) -> tuple[list[Run], list[Problem]]:
    """All runs of a store, ordered by path, and the folders that could not be read."""
    found: list[Run] = []
    problems: list[Problem] = []
    if not root.exists():
        return found, problems
    for path in folders(root):
        try:
            found.append(load(path))
        except ValueError as error:
            problems.append(Problem(path, str(error)))
    return found, problems
