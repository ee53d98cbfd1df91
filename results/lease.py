"""One owner per run: a file `lease.json` that its owner keeps fresh, and that outlives him only until somebody looks.

On the owner's own host a lease is dead when its process is; elsewhere when its heartbeat is older than STALE seconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.results import atomic

STALE = 600.0  # seconds without a heartbeat, seen from another host


class Held(RuntimeError):
    """Another live process owns this run."""


class Lost(RuntimeError):
    """This process no longer owns its run: it must not write any more."""


def _started(pid: int) -> str:
    """The kernel's start tick of a living process, so that a reused number is not mistaken for its old owner.

    "" where it is unknown, and for a zombie: killed, and not reaped by whoever should (in a container, often nobody).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""


def read(folder: Path) -> dict[str, Any] | None:
    """The lease of a run as it stands, None where there is none or it cannot be read."""
    try:
        document = json.loads((folder / "lease.json").read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def alive(document: dict[str, Any] | None) -> bool:
    """Whether a lease's owner still lives."""
    if document is None:
        return False
    if document["host"] != socket.gethostname():
        return bool(time.time() - document["heartbeat"] < STALE)
    pid = int(document["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not document["started"] or document["started"] == _started(pid)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Rescuers of one dead lease go one after another."""
    with open(folder / ".lease.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Lease:
    """Taken by the constructor; `beat` keeps it fresh and carries the progress that `bench status` shows."""

    def __init__(self, folder: Path):
        """Raises Held where the owner lives."""
        self.folder = folder
        self.path = folder / "lease.json"
        self.owner = uuid.uuid4().hex
        pid = os.getpid()
        self._document: dict[str, Any] = {
            "owner": self.owner, "host": socket.gethostname(), "pid": pid, "started": _started(pid),
            "heartbeat": time.time(), "progress": {},
        }  # fmt: skip
        with _only_one(folder):
            other = read(folder)
            if alive(other):
                assert other is not None
                raise Held(f"{folder} is being run by process {other['pid']} on {other['host']}")
            self.path.unlink(missing_ok=True)
            with open(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w") as file:
                json.dump(self._document, file)

    def beat(self, progress: dict[str, Any]) -> None:
        """Refresh the heartbeat. Raises Lost where somebody else took over."""
        self.check()
        self._document |= {"heartbeat": time.time(), "progress": progress}
        beside = self.path.with_name(f".lease.{self.owner}.tmp")
        beside.write_text(json.dumps(self._document))
        os.replace(beside, self.path)

    def check(self) -> None:
        """Raises Lost where the file is gone or names another owner."""
        document = read(self.folder)
        if document is None or document["owner"] != self.owner:
            raise Lost(f"the lease of {self.folder} went to another process")

    def release(self) -> None:
        document = read(self.folder)
        if document is not None and document["owner"] == self.owner:
            self.path.unlink(missing_ok=True)
            atomic.sync_folder(self.folder)
