"""Checkpoints of one run: complete or absent, verified when read, the previous one kept.

    checkpoints/<tick>[.<again>]/   manifest.json   and one state tree (tree.py) per part
A checkpoint is written under a temporary name, forced to the disk, and renamed last. The two newest stay, and the
newest one from before `finish()`, from which a run can be extended.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import atomic, faults, tree
from bench.results.schema import SCHEMA

_NAME = re.compile(r"\d{12}(\.\d+)?")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose manifest could be read."""

    path: Path
    manifest: dict[str, Any]

    def read(self) -> dict[str, Any]:
        """The state trees of all parts, verified against the manifest. ValueError where one is missing or damaged."""
        try:
            files = self.manifest["files"].items()
            return {part: tree.load(self.path / f"{part}.tree", entry["sha256"]) for part, entry in files}
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"checkpoint {self.path.name}: {error}") from error


def folders(run: Path) -> list[Path]:
    """Checkpoint folders, newest first; temporary ones are left out. The same tick again has a dot and a number."""
    base = run / "checkpoints"
    if not base.exists():
        return []
    return sorted((p for p in base.iterdir() if p.is_dir() and _NAME.fullmatch(p.name)), reverse=True)


def _open(path: Path) -> Checkpoint:
    """ValueError where the manifest is missing or damaged."""
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        if manifest["schema"] != SCHEMA:
            raise ValueError(f"schema {manifest['schema']!r}; this build reads schema {SCHEMA}")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint {path.name}: {error}") from error
    return Checkpoint(path, manifest)


def candidates(run: Path) -> tuple[list[Checkpoint], list[str]]:
    """Checkpoints with a readable manifest, newest first, and a sentence for each other one."""
    good: list[Checkpoint] = []
    bad: list[str] = []
    for path in folders(run):
        try:
            good.append(_open(path))
        except ValueError as error:
            bad.append(str(error))
    return good, bad


def write(
    run: Path, tick: int, parts: Mapping[str, Any], manifest: Mapping[str, Any], check: Callable[[], None]
) -> int:
    """Save the state trees `parts` as checkpoint `tick` and drop those no longer needed; returns the bytes written.

    `check` is called before the final rename and raises where this process no longer owns the run. An OSError leaves
    the earlier checkpoints as they were.
    """
    base = run / "checkpoints"
    base.mkdir(exist_ok=True)
    for litter in base.glob("*.tmp"):
        shutil.rmtree(litter)
    again = len([path for path in folders(run) if path.name.partition(".")[0] == f"{tick:012d}"])
    final = base / (f"{tick:012d}.{again}" if again else f"{tick:012d}")
    beside = base / f"{final.name}.tmp"
    beside.mkdir()
    try:
        files: dict[str, dict[str, Any]] = {}
        for part, state in parts.items():
            sha256, size = tree.save(beside / f"{part}.tree", state)
            files[part] = {"sha256": sha256, "bytes": size}
        faults.point("checkpoint.manifest")
        document = {"schema": SCHEMA, "tick": tick, **manifest, "files": files}
        atomic.write(beside / "manifest.json", json.dumps(document).encode())
        faults.point("checkpoint.rename")
        check()
    except OSError:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    os.rename(beside, final)
    atomic.sync_folder(base)
    faults.point("checkpoint.done")
    prune(run, keep=2)
    return sum(entry["bytes"] for entry in files.values())


def prune(run: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints, the newest extendable one, and nothing that is being written."""
    found = folders(run)
    extendable = [p for p in found if not _after_finish(p)]
    for path in found[keep:]:
        if path not in extendable[:1]:
            shutil.rmtree(path)


def _after_finish(path: Path) -> bool:
    try:
        return bool(json.loads((path / "manifest.json").read_bytes())["after_finish"])
    except (OSError, KeyError, TypeError, ValueError):
        return True  # unreadable: nothing can be extended from it
