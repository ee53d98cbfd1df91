"""The local executor: a child process per run, as many at once as fit, and a watch over all of them.

Children live in sessions of their own, so that a Ctrl-C reaches only this process, which asks them to stop (SIGTERM:
they checkpoint and end) and, the second time, ends them at once. A run that another process owns is waited for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.benchmarks.packing import Packing
from bench.benchmarks.plan import Planned, extendable
from bench.benchmarks.run_one import OWNED
from bench.benchmarks.usage import Use
from bench.results import lease, reader
from bench.results.store import RunFolder

GRACE = 120.0  # seconds that children may take to checkpoint before they are killed
POLL = 0.1  # seconds between looks at the children


def hang_seconds() -> float:
    """Seconds without a decision or a unit of learning after which a run counts as hung (BENCH_HANG_SECONDS, 900)."""
    return float(os.environ.get("BENCH_HANG_SECONDS", "900"))


@dataclass
class Child:
    """One run in a process of its own."""

    run: Planned
    process: subprocess.Popen[bytes]
    started: float
    company: int = 1  # most runs at once on its device since then, itself included


@dataclass
class Outcome:
    """How an execution ended: runs by final status, and what stopped it ("", "time limit", "interrupted")."""

    statuses: dict[Path, str] = field(default_factory=dict)
    stopped: str = ""


def prepare(run: Planned, root: Path) -> bool:
    """Write or widen the run's record, under its lease; False where another process has finished it meanwhile.

    A folder that starts afresh is moved aside first. Raises Held where another process is at the run.
    """
    run.path.mkdir(parents=True, exist_ok=True)
    held = lease.Lease(run.path)
    try:
        if (run.path / "run.json").exists():
            folder = RunFolder.open(run.path)
            record = folder.record
            finished = record.status == "finished"
            if run.action != "rerun" and finished and record.runtime.budget.frames >= run.runtime.budget.frames:
                return False
            if run.action != "rerun" and (not finished or extendable(run.path)):
                record.runtime, record.status, record.reason = run.runtime, "planned", ""
                folder.save()
                return True
            folder.move_aside()
        RunFolder.create(root, run.identity, run.runtime)
        return True
    finally:
        held.release()


# glibc gives large blocks back to the system at once and faults them in again: an update of dreamer at small took 201
# ms so and 184 with these (medians of three). Other C libraries do not read them.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}


class Local:
    """Runs the planned runs on this machine."""

    def __init__(
        self, root: Path, packing: Packing, deadline: float | None, command: str, say: Callable[[str], None] = print
    ):
        self._root, self._packing, self._deadline, self._say = root, packing, deadline, say
        self._environment = {**_KEEP_MEMORY, **os.environ, "BENCH_COMMAND": command, "PYTHONUNBUFFERED": "1"}
        self._children: list[Child] = []
        self._signals = 0
        self.waiting: list[Planned] = []

    def execute(self, runs: Sequence[Planned], watch: Callable[[Local], None]) -> Outcome:
        """Carry the runs out in order; `watch` is called a few times a second. Never raises for a run that fails."""
        self.waiting = list(runs)
        outcome = Outcome()
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        asked_at = 0.0
        try:
            while self.waiting or self._children:
                if not outcome.stopped and self._signals:
                    outcome.stopped = "interrupted"
                if not outcome.stopped and self._deadline is not None and time.time() > self._deadline:
                    outcome.stopped = "time limit"
                if outcome.stopped:
                    self.waiting.clear()
                    if not asked_at:
                        asked_at = time.time()
                        self._send(signal.SIGTERM)
                    if self._signals > 1 or time.time() - asked_at > GRACE:
                        self._send(signal.SIGKILL)
                else:
                    self._start()
                self._reap(outcome)
                watch(self)
                time.sleep(POLL)
        finally:
            self._send(signal.SIGKILL)  # only where something above raised: no child outlives this process unwatched
            for number, handler in previous.items():
                signal.signal(number, handler)
        for run in runs:
            outcome.statuses[run.path] = reader.load(run.path).status if (run.path / "run.json").exists() else "planned"
        return outcome

    def live(self) -> list[Planned]:
        """The runs that have a process now."""
        return [child.run for child in self._children]

    def _on_signal(self, number: int, frame: Any) -> None:
        self._signals += 1

    def _send(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(number)

    def _start(self) -> None:
        full: set[str] = set()  # devices: what comes later does not overtake what waits for the same one
        for run in list(self.waiting):
            device = run.runtime.device
            if device in full or not self._packing.admits(run, self.live()):
                full.add(device)
                continue
            try:
                owed = prepare(run, self._root)
            except lease.Held:
                continue  # another process is at it: looked at again later
            self.waiting.remove(run)
            if not owed:
                continue
            with open(run.path / "log.txt", "ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "bench", "run-one", str(run.path)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=self._environment,
                )  # fmt: skip
            self._children.append(Child(run, process, time.time()))
            together = [child for child in self._children if child.run.runtime.device == device]
            for child in together:
                child.company = max(child.company, len(together))

    def _reap(self, outcome: Outcome) -> None:
        for child in list(self._children):
            code = child.process.poll()
            if code is None:
                self._look(child)
                continue
            self._children.remove(child)
            if outcome.stopped:
                continue
            if code == OWNED:  # another runner's process, or its brief look at the record, came first
                self._wait_for(child.run)
                continue
            self._died(child, f"its process ended with {_ending(code)} before it could say why; see log.txt")
            if reader.load(child.run.path).status == "out_of_memory":
                again, said = self._packing.back_off(child.run, child.company)
                if said:
                    self._say(said)
                if again:
                    self.waiting.insert(0, replace(child.run, action="retry"))

    def _wait_for(self, run: Planned) -> None:
        """Look again once its owner has let go: it may be finished then, and is not begun anew."""
        self.waiting.append(replace(run, action="retry"))

    def _look(self, child: Child) -> None:
        """Note what a live run takes, once it has learnt, and end it where it hangs."""
        progress = (lease.read(child.run.path) or {}).get("progress") or {}
        if (use := progress.get("use")) and progress["updates"]:
            self._packing.note(child.run, Use(**use))
        still = time.time() - max(progress.get("moved", 0.0), child.started)
        if still > hang_seconds():
            child.process.kill()
            child.process.wait()
            self._children.remove(child)
            self._died(child, f"nothing moved for {still:.0f} s (a hung environment?); it was ended")

    def _died(self, child: Child, reason: str) -> None:
        """Note the end of a process that could not note it itself; a run that another process took is waited for."""
        try:
            held = lease.Lease(child.run.path)
        except lease.Held:
            self._wait_for(child.run)
            return
        folder = RunFolder.open(child.run.path)
        if folder.record.status in ("planned", "running"):
            folder.record.status, folder.record.reason = "failed", reason
            folder.save()
        held.release()


def _ending(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"{name} (out of memory?)" if name == "SIGKILL" else name
    return f"status {code}"
