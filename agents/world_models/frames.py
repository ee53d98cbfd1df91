"""What was seen and done, as columns on disk: every row is written once and read through a memory map.

A column grows at its end only. What no checkpoint has written yet lies in memory; a flush appends it to the column's
file and maps that, so that an epoch over 123 GB of frames reads batches and copies nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from gymnasium import spaces

from bench.agents.api import Replay, State, Step, Task

BLOCK = 1 << 24  # bytes read at a time where a file is checked


class Column:
    """Rows of one type and shape."""

    def __init__(self, dtype: str, shape: tuple[int, ...] = ()):
        self.dtype, self.shape = np.dtype(dtype), shape
        self._mapped = np.empty((0, *shape), dtype)
        self._tail: list[np.ndarray] = []  # batches of rows since
        self._length = 0
        self._crc = 0  # of the file

    def __len__(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """In memory, without what is mapped."""
        return sum(rows.nbytes for rows in self._tail)

    def append(self, rows: np.ndarray) -> None:
        """`rows` [N, *shape], which are copied."""
        self._tail.append(np.array(rows, self.dtype))
        self._length += len(rows)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """A copy of the rows of an index [...], or of a slice."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self._length))
        rows = np.ascontiguousarray(rows)  # the copy lies as its index does, and torch sums as a copy lies
        split = len(self._mapped)
        if not self._tail:
            return self._mapped[rows]
        if len(self._tail) > 1:
            self._tail = [np.concatenate(self._tail)]
        if not split:
            return self._tail[0][rows]
        out = np.empty((*rows.shape, *self.shape), self.dtype)
        later = rows >= split
        out[~later], out[later] = self._mapped[rows[~later]], self._tail[0][rows[later] - split]
        return out

    def flush(self, path: Path) -> list[int]:
        """Append what is new to the file, to the disk itself. [rows, CRC-32 of all]."""
        if self._tail:
            written = len(self._mapped) * self._row
            with open(path, "r+b" if written else "wb") as file:
                file.seek(written)
                for rows in self._tail:
                    data = rows.reshape(-1).view(np.uint8).data
                    file.write(data)
                    self._crc = crc32(data, self._crc)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            self._map(path, self._length)
        return [self._length, self._crc]

    def restore(self, path: Path, rows: int, crc: int) -> None:
        """Cut the file to `rows` and map it. ValueError where it is too short or damaged."""
        size, found = rows * self._row, 0
        if rows:
            length = path.stat().st_size if path.exists() else 0
            if length < size:
                raise ValueError(f"{path} has {length} bytes of the {size} this checkpoint needs")
            os.truncate(path, size)
            with open(path, "rb") as file:
                while block := file.read(BLOCK):
                    found = crc32(block, found)
        if found != crc:
            raise ValueError(f"{path} is damaged: its checksum differs from the checkpoint's")
        self._crc = crc
        self._map(path, rows)

    def _map(self, path: Path, rows: int) -> None:
        self._length, self._tail = rows, []
        if rows:
            self._mapped = np.memmap(path, self.dtype, "r", shape=(rows, *self.shape))

    @property
    def _row(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class Frames(Replay):
    """One row per decision of the random policy, in the order they were taken; `mu` and `logvar` follow when V is
    trained.

    Rows of several environments lie between each other; `episodes` puts them in order.
    """

    def __init__(self, task: Task, latent: int):
        discrete = isinstance(task.action, spaces.Discrete)
        self.keys = sorted(task.observation.spaces)
        self.columns = {f"observation.{key}": _column(task.observation[key]) for key in self.keys}
        self.columns |= {
            "action": Column("i8") if discrete else Column("f4", task.action.shape),  # type: ignore[arg-type]
            "reward": Column("f4"),
            "first": Column("?"),
            "terminated": Column("?"),
            "episode": Column("i8"),
            "mu": Column("f2", (latent,)),
            "logvar": Column("f2", (latent,)),
        }

    def __len__(self) -> int:
        return len(self.columns["episode"])

    def add(self, step: Step) -> None:
        for key in self.keys:
            self.columns[f"observation.{key}"].append(step.observation[key])
        for name in ("action", "reward", "first", "terminated", "episode"):
            self.columns[name].append(getattr(step, name))

    def encoded(self, mu: np.ndarray, logvar: np.ndarray) -> None:
        """The codes [N, Nz] of the next N rows."""
        self.columns["mu"].append(mu)
        self.columns["logvar"].append(logvar)

    def observation(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """{key: [..., *shape]} of an index [...]."""
        return {key: self.columns[f"observation.{key}"][rows] for key in self.keys}

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def episodes(self, least: int) -> list[np.ndarray]:
        """The rows of every episode of `least` decisions or more, in order; of all where none is that long."""
        number = self.columns["episode"][:]
        order = np.argsort(number, kind="stable")
        found = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
        return [rows for rows in found if len(rows) >= least] or found

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())

    def flush(self, folder: Path) -> State:
        kept = {name: column.flush(folder / f"{name}.bin") for name, column in self.columns.items()}
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the names, too
        finally:
            os.close(descriptor)
        return {"columns": kept}

    def restore(self, folder: Path, manifest: State) -> None:
        kept: Mapping[str, list[int]] = manifest["columns"]
        if kept.keys() != self.columns.keys():
            raise ValueError(f"the frames under {folder} have other columns than this agent's")
        for name, (rows, crc) in kept.items():
            self.columns[name].restore(folder / f"{name}.bin", rows, crc)

    def prune(self, folder: Path, manifests: Sequence[State]) -> None:
        """Rows are never dropped, so every file is needed."""


def _column(space: spaces.Space) -> Column:
    assert space.dtype is not None and space.shape is not None
    return Column(space.dtype.str, space.shape)
