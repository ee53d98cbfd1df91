"""Writing one run: its record, its event rows and its telemetry. Checkpoints are in `checkpoints.py`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from bench.results import atomic, faults
from bench.results.schema import Event, Identity, RunRecord, Runtime, event_line


class EventLog:
    """events.jsonl: appended rows, whose length in bytes a checkpoint records and a resume cuts back to."""

    def __init__(self, path: Path, size: int = 0):
        """Opens the file cut to `size` bytes. ValueError where it is shorter: rows that were on the disk are gone."""
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        on_disk = os.fstat(self._file).st_size
        if on_disk < size:
            raise ValueError(f"{path} has {on_disk} bytes, the checkpoint counted {size}")
        os.ftruncate(self._file, size)
        os.lseek(self._file, size, os.SEEK_SET)
        self._size = size
        self._pending: list[bytes] = []

    def append(self, event: Event) -> None:
        self._pending.append(event_line(event).encode())

    def push(self) -> int:
        """Hand pending rows to the operating system and return the file's length. A full disk leaves whole rows
        only."""
        if self._pending:
            data = b"".join(self._pending)
            half = len(data) - len(self._pending[-1]) // 2
            try:
                self._write(data[:half])
                faults.point("events.half_line")
                self._write(data[half:])
            except OSError:
                os.ftruncate(self._file, self._size)
                os.lseek(self._file, self._size, os.SEEK_SET)
                raise
            self._size += len(data)
            self._pending.clear()
        return self._size

    def sync(self) -> int:
        """`push`, and the rows are on the disk when it returns."""
        size = self.push()
        os.fsync(self._file)
        faults.point("events.flushed")
        return size

    def close(self) -> None:
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]


class RunFolder:
    """The folder of one run, open for writing. Whoever trains in it holds its lease."""

    def __init__(self, path: Path, record: RunRecord):
        self.path = path
        self.record = record

    @classmethod
    def create(cls, root: Path, identity: Identity, runtime: Runtime) -> RunFolder:
        """A planned run under `root`."""
        run = cls(root / identity.folder, RunRecord(identity, runtime))
        run.path.mkdir(parents=True, exist_ok=True)
        run.save()
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """ValueError where run.json cannot be read."""
        return cls(path, RunRecord.from_json((path / "run.json").read_text(encoding="utf-8")))

    def save(self) -> None:
        """Write run.json."""
        atomic.write(self.path / "run.json", self.record.to_json().encode())

    def telemetry(self, kind: str, **values: Any) -> None:
        """Append one row to telemetry.jsonl: everything with a clock."""
        with open(self.path / "telemetry.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"telemetry": kind, "time": round(time.time(), 3), **values}) + "\n")

    def move_aside(self) -> Path:
        """Rename the folder to a hidden name beside it that is not in use; nothing measured is deleted."""
        number = 1
        while (target := self.path.with_name(f".old-{number}-{self.path.name}")).exists():
            number += 1
        os.rename(self.path, target)
        atomic.sync_folder(target.parent)
        return target
