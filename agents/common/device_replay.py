"""A sequence replay whose wide columns lie on the device too: a batch of them is gathered there, by row numbers.

The host's copy stays: checkpoints, and all that is narrow, come from there. Rows are written through before the next
batch is gathered, through page-locked memory, so that nothing waits. What training rewrites is rewritten on the device
alone and fetched for a checkpoint. Every number is the one that the host's replay alone would have given, which serves
where the device is full.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.agents.api import State, Task
from bench.agents.common.replay import Dense, SequenceReplay, layout
from bench.agents.common.transfer import on_gpu, staged, tensor

SHARE = 0.5  # of a GPU's free memory that the replay may grow by at once; beyond, batches come from the host


def sequence_replay(
    task: Task, capacity: int, envs: int, device: str, dense: Mapping[str, Dense] | None = None
) -> SequenceReplay:
    """A DeviceReplay, where there is a GPU and something wide."""
    if on_gpu(device) and set(layout(task, dense or {})) != {"row"}:
        return DeviceReplay(task, capacity, envs, device, dense)
    return SequenceReplay(task, capacity, envs, dense)


@dataclass
class _Held:
    """What the device has of one environment."""

    first: int = 0  # number of the oldest chunk
    pages: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # of that chunk and those after it
    sent: int = 0  # number of the next row to send


class DeviceReplay(SequenceReplay):
    """Columns on the device are divided into pages, each of which holds a chunk of some environment."""

    def __init__(
        self, task: Task, capacity: int, envs: int, device: str, dense: Mapping[str, Dense] | None = None
    ) -> None:
        super().__init__(task, capacity, envs, dense)
        self.device = device
        self._size = self._streams[0].size  # rows of a page
        self._most = sum(stream.capacity // stream.size + 2 for stream in self._streams)  # pages
        self._wide = [name for name in self._layout if name != "row"]
        self._empty()

    def _empty(self) -> None:
        self.resident = True  # False once the device had no room for more
        self._held = [_Held() for _ in self._streams]
        self._free: list[int] = []
        self._pages = 0
        self._on_device = {
            name: torch.empty(0, *self._layout[name].shape, dtype=_dtype(self._layout[name]), device=self.device)
            for name in self._wide
        }

    def _columns(self, ids: np.ndarray, length: int) -> dict[str, Any]:
        self._send()
        if not self.resident:
            return super()._columns(ids, length)
        found: dict[str, Any] = dict(self._copied(["row"], ids, length))
        rows = ids[:, None, 1] + np.arange(length)
        at = tensor(self._slots(ids[:, :1].repeat(length, 1).ravel(), rows.ravel()), self.device)
        for name, column in self._on_device.items():
            found[name] = column[at].unflatten(0, rows.shape)
        return found

    def write(self, name: str, ids: np.ndarray, values: Any) -> None:
        self._send()
        if not self.resident:
            super().write(name, ids, values.cpu() if isinstance(values, Tensor) else values)
            return
        flat, column = ids.reshape(-1, 2), self._on_device[name]
        there = np.flatnonzero(flat[:, 1] >= self.tails[flat[:, 0]])
        slots = self._slots(flat[there, 0], flat[there, 1])
        slots, back = np.unique(slots[::-1], return_index=True)  # a device writes the same place twice in any order
        new = tensor(values, self.device).reshape(-1, *column.shape[1:])[tensor(there[::-1][back], self.device)]
        column.index_copy_(0, tensor(slots, self.device), new.to(column.dtype))

    def _slots(self, env: np.ndarray, row: np.ndarray) -> np.ndarray:
        """int64 [N]: where rows [N] of environments [N] lie in the columns."""
        page = np.empty_like(row)
        for number, held in enumerate(self._held):
            mine = env == number
            page[mine] = held.pages[row[mine] // self._size - held.first]
        return page * self._size + row % self._size

    def _send(self) -> None:
        """Write through what is new."""
        for held, stream in zip(self._held, self._streams, strict=True):
            oldest = stream.tail // self._size
            self._free += held.pages[: oldest - held.first].tolist()
            held.pages, held.first = held.pages[oldest - held.first :], oldest
            held.sent = max(held.sent, stream.tail)
        for held, stream in zip(self._held, self._streams, strict=True):
            while self.resident and held.sent < stream.head:
                chunk, offset = divmod(held.sent - stream.tail, self._size)
                if chunk == len(held.pages):
                    if not self._free and not self._grow():
                        return
                    held.pages = np.append(held.pages, self._free.pop())
                rows = min(stream.head - held.sent, self._size - offset)
                at = int(held.pages[chunk]) * self._size + offset
                for name, column in self._on_device.items():
                    new = staged(stream.chunks[chunk][name][offset : offset + rows], self.device)
                    column[at : at + rows].copy_(new, non_blocking=True)
                held.sent += rows

    def _grow(self) -> bool:
        """Twice the pages; False where the device has no room for them, from when on the host's replay serves."""
        pages = min(max(2 * self._pages, 1), self._most)
        row = sum(self._layout[name].itemsize for name in self._wide)
        need, free = pages * self._size * row, free_memory(self.device)
        if need > SHARE * free:
            self._fetch()
            self._empty()
            self.resident = False
            warnings.warn(
                f"the replay stays on the host: {pages * self._size:,} rows would take {need / 1e9:.1f} GB of "
                f"{self.device}, and it has {free / 1e9:.1f} GB free",
                stacklevel=2,
            )
        else:
            for name, column in self._on_device.items():
                larger = column.new_empty(pages * self._size, *column.shape[1:])
                larger[: len(column)] = column
                self._on_device[name] = larger
            self._free += range(self._pages, pages)
            self._pages = pages
        if on_gpu(self.device):
            torch.cuda.empty_cache()  # of the smaller columns, which others may use
        return self.resident

    def _fetch(self) -> None:
        """What training rewrote, into the host's columns."""
        for held, stream in zip(self._held, self._streams, strict=True):
            for chunk, page in enumerate(held.pages):
                rows = min(held.sent - (held.first + chunk) * self._size, self._size)
                for name in self.dense:
                    part = self._on_device[name][page * self._size : page * self._size + rows]
                    stream.chunks[chunk][name][:rows] = part.cpu().numpy()

    def flush(self, folder: Path) -> State:
        self._send()
        self._fetch()
        return super().flush(folder)

    def restore(self, folder: Path, manifest: State) -> None:
        super().restore(folder, manifest)
        self._empty()


def free_memory(device: str) -> float:
    """Bytes."""
    return torch.cuda.mem_get_info(device)[0] if on_gpu(device) else float("inf")


def _dtype(column: np.dtype) -> torch.dtype:
    return torch.from_numpy(np.empty(0, column.base)).dtype
