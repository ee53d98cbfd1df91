"""Writing files that are either the old one or the new one, whole, whatever happens.

Guarantees, on a POSIX file system: after `write` returns the bytes are on the disk under `path`; if the process or the
machine stops before that, `path` holds what it held before. It does not guard against two writers (the lease does).
"""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Force a folder's entries (new names, renames) to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, data: bytes) -> None:
    """Write beside, flush, fsync, replace, fsync the folder. OSError (a full disk, say) leaves the old file and no
    litter."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:  # a Ctrl-C too: no litter, and the error goes on
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
