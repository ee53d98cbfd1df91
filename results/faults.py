"""Named places where a test can hurt a real process, to prove that nothing measured is lost.

BENCH_FAULT=point[:pass[:action]] acts on the pass-th time (default the first) that the process comes by `point`.
Actions: kill (SIGKILL, the default), int, term (that signal), full (OSError, no space left), memory (MemoryError),
hang. Without the variable a point costs one comparison.
"""

from __future__ import annotations

import errno
import os
import signal
import time

POINTS = (
    "loop.acted",  # the policy has acted, the environments have not stepped
    "loop.observed",  # between observe and learn
    "loop.unit",  # after one unit of learning
    "loop.evaluate",  # inside an evaluation
    "events.half_line",  # an event line is half on the disk
    "events.flushed",  # event rows are on the disk, the checkpoint that counts them is not begun
    "checkpoint.file",  # a checkpoint's file is half written
    "checkpoint.manifest",  # all files written, no manifest
    "checkpoint.rename",  # complete, under its temporary name
    "checkpoint.done",  # under its final name, run.json not yet told
    "run.finished",  # before the run is marked finished
    "report.write",  # before the page is written
)

_armed = os.environ.get("BENCH_FAULT", "")
_passes = 0


def checkpoint_ticks() -> int:
    """BENCH_CHECKPOINT_TICKS=n: checkpoint every n ticks instead of by the clock, so that a test knows where one is.
    0: unset."""
    return int(os.environ.get("BENCH_CHECKPOINT_TICKS", "0"))


def point(name: str) -> None:
    """Come by the fault point `name`."""
    if _armed:
        _act(name)


def _act(name: str) -> None:
    global _passes
    where, _, rest = _armed.partition(":")
    count, _, action = rest.partition(":")
    if where not in POINTS:
        raise ValueError(f"BENCH_FAULT names no fault point: {where!r}; there are {', '.join(POINTS)}")
    if name != where:
        return
    _passes += 1
    if _passes != int(count or 1):
        return
    match action or "kill":
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "int":
            os.kill(os.getpid(), signal.SIGINT)
        case "term":
            os.kill(os.getpid(), signal.SIGTERM)
        case "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "memory":
            raise MemoryError("fault point")
        case "hang":
            time.sleep(3600)
        case other:
            raise ValueError(f"BENCH_FAULT: unknown action {other!r}")
