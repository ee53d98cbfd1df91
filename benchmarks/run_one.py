"""Carry one run to its end in this process: what every executor starts, and a person can type."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import traceback
from pathlib import Path

from bench.results.lease import Held, Lease, Lost
from bench.results.schema import Status
from bench.results.store import RunFolder

# Exit status of a child process, by what became of its run.
EXIT = {"finished": 0, "failed": 1, "out_of_memory": 1, "diverged": 1, "interrupted": 3}
OWNED = os.EX_TEMPFAIL  # 75: another process owns the run, nothing more is written to it here


def pin_threads(threads: int) -> None:
    """Fix the thread count of every numeric library; before any of them is imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = str(threads)


def run_one(path: Path) -> int:
    """Train the run in `path` to its budget; the exit status. The run's record says what happened, whatever
    happened."""
    try:
        lease = Lease(path)
    except Held as held:
        print(held, file=sys.stderr)
        return OWNED
    try:
        folder = RunFolder.open(path)
        pin_threads(folder.record.runtime.threads)
        status, reason = _train(folder, lease)
        lease.check()
        folder.record.status, folder.record.reason = status, reason
        folder.save()
        if status == "finished" and not folder.record.runtime.keep:
            _tidy(path)
    except Lost as lost:  # somebody else owns the run now: write nothing
        print(lost, file=sys.stderr)
        return OWNED
    finally:
        lease.release()
    if reason:
        print(f"{status}: {reason}", file=sys.stderr)
    return EXIT[status]


def _train(folder: RunFolder, lease: Lease) -> tuple[Status, str]:
    from bench.agents.api import Diverged
    from bench.benchmarks.trainer import Interrupted, Trainer

    try:
        Trainer(folder, lease, say=lambda line: print(line, file=sys.stderr, flush=True)).run()
    except Interrupted as signal:
        return "interrupted", f"stopped by {signal}"
    except KeyboardInterrupt:
        return "interrupted", "stopped at once; goes on from the last checkpoint"
    except Lost:
        raise
    except Diverged as error:
        return "diverged", str(error)
    except (
        Exception
    ) as error:  # whatever an agent or a simulator raises becomes a row with a status, and its traceback the log
        traceback.print_exc()
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return "out_of_memory", f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return "failed", "the disk is full; free some space and type the same command"
        return "failed", f"{type(error).__name__}: {error}"
    return "finished", ""


def _tidy(path: Path) -> None:
    """Drop what a finished run no longer needs: its replay, and all but its last checkpoint."""
    from bench.results import checkpoints

    replay = path / "replay"
    if replay.exists():
        shutil.rmtree(replay)
    checkpoints.prune(path, keep=1)
