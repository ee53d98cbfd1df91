"""Experience as one unbroken stream of rows per environment, sampled as windows. numpy only.

A row holds an observation and what was done on seeing it: the action, the reward and the end that followed. An episode
of T decisions takes T + 1 rows: the extra one, `last`, holds the final observation with zero action and reward, and
how the episode ended. So nothing is stored twice and no final observation is lost. (An episode that a resume could not
replay has no last row: the next row's `first` tells.)

Rows keep their number for ever: (environment, row) is a stable id, also after older rows are dropped. Columns that
training rewrites (latents, priorities) are declared as `Dense` and written back by id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from gymnasium import spaces

from bench.agents.api import Observation, Replay, State, Step, Task

CHUNK = 1024  # rows: memory grows and is dropped by so many, and they share files
WIDE = 1024  # bytes: a larger observation gets its own array, so that a window of it is one contiguous copy


@dataclass(frozen=True)
class Dense:
    """A column that training rewrites: its shape per row, its type and the value of a row nobody has written yet."""

    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    fill: float = 0.0


class Sequences(NamedTuple):
    """B windows of L consecutive rows of one environment each. Every array has leading axes [B, L]."""

    observation: dict[str, Any]  # arrays; of a DeviceReplay, wide ones are tensors
    action: np.ndarray  # float32 [B, L, A] or int64: chosen on seeing `observation`; zero where `last`
    reward: np.ndarray  # float32: what followed the action; zero where `last`
    first: np.ndarray  # bool: the observation came from a reset
    last: np.ndarray  # bool: the episode's final observation: no decision was taken on it
    terminated: (
        np.ndarray
    )  # bool: the environment ended the episode after this row's action; where `last`, had ended it
    truncated: np.ndarray  # bool: a time limit or a cut, likewise
    episode: np.ndarray  # int64: the episode's number
    dense: dict[str, Any]  # likewise
    ids: np.ndarray  # int64 [B, L, 2]: (environment, row)


class SequenceReplay(Replay):
    """At least the newest `capacity` rows over all `envs` environments, dropped first in, first out, by chunks."""

    def __init__(self, task: Task, capacity: int, envs: int = 1, dense: Mapping[str, Dense] | None = None):
        if capacity < envs:
            raise ValueError(f"a replay of {capacity} rows cannot hold one row of each of {envs} environments")
        self.dense = dict(dense or {})
        self._layout = layout(task, self.dense)
        self._keys = {key: f"observation.{key}" for key in task.observation.spaces}
        self._streams = [_Stream(self._layout, self.dense, capacity // envs) for _ in range(envs)]
        self._flushes = 0

    def __len__(self) -> int:
        """Rows held."""
        return sum(stream.head - stream.tail for stream in self._streams)

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for stream in self._streams for chunk in stream.chunks for array in chunk.values())

    @property
    def heads(self) -> np.ndarray:
        """int64 [E]: the number the next row of each environment will get."""
        return np.array([stream.head for stream in self._streams])

    @property
    def tails(self) -> np.ndarray:
        """int64 [E]: the number of the oldest row held of each environment."""
        return np.array([stream.tail for stream in self._streams])

    def add(self, step: Step, cut: np.ndarray | None = None, **dense: np.ndarray) -> None:
        """Store one vector step. `cut` [E]: episodes the agent ends here. `dense`: [E, ...], of this step's rows."""
        ends = step.terminated | step.truncated if cut is None else step.terminated | step.truncated | cut
        for env, stream in enumerate(self._streams):
            chunk, at = stream.append(bool(step.first[env]))
            row = chunk["row"]
            row["action"][at] = step.action[env]
            row["reward"][at] = step.reward[env]
            row["first"][at] = step.first[env]
            row["last"][at] = False
            row["episode"][at] = step.episode[env]
            self._fill(chunk, at, step, step.observation, env, bool(ends[env]))
            for name, values in dense.items():
                chunk[name][at] = values[env]
            if ends[env]:
                chunk, at = stream.append(False)
                row = chunk["row"]
                row["action"][at], row["reward"][at], row["first"][at], row["last"][at] = 0, 0, False, True
                row["episode"][at] = step.episode[env]
                self._fill(chunk, at, step, step.next_observation, env, True)

    def _fill(
        self, chunk: dict[str, np.ndarray], at: int, step: Step, observation: Observation, env: int, end: bool
    ) -> None:
        row = chunk["row"]
        row["terminated"][at] = step.terminated[env]
        row["truncated"][at] = end and not step.terminated[env]
        for key, name in self._keys.items():
            (chunk[name] if name in chunk else row[name])[at] = observation[key][env]

    def windows(self, length: int, within_episodes: bool = False, finished: bool = False) -> int:
        """How many different windows of `length` rows there are; `finished`: in finished episodes."""
        return int(sum(count.sum() for _, _, count in self._spans(length, within_episodes, finished)))

    def starts(self, length: int, within_episodes: bool = False) -> np.ndarray:
        """int64 [N, 2]: the id of every window's first row, for samplers of one's own."""
        rows = [
            (np.full(count.sum(), env), np.repeat(start - (count.cumsum() - count), count) + np.arange(count.sum()))
            for env, start, count in self._spans(length, within_episodes)
        ]
        return np.concatenate([np.stack(pair, axis=1) for pair in rows])

    def sample(self, rng: np.random.Generator, batch: int, length: int, within_episodes: bool = False) -> Sequences:
        """`batch` windows, uniformly and with replacement from all there are. ValueError where there is none."""
        return self.gather(self.draw(rng, batch, length, within_episodes), length)

    def draw(self, rng: np.random.Generator, batch: int, length: int, within_episodes: bool = False) -> np.ndarray:
        """int64 [batch, 2]: the ids of the first rows of such windows."""
        return self._draw(rng, batch, length, self._spans(length, within_episodes))[0]

    def draw_finished(self, rng: np.random.Generator, batch: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """As `draw`, from finished episodes alone and without crossing their ends: the ids [batch, 2], and the first
        row [batch] of the episode each window lies in."""
        return self._draw(rng, batch, length, self._spans(length, within_episodes=True, finished=True))

    def _draw(
        self, rng: np.random.Generator, batch: int, length: int, spans: list[tuple[int, np.ndarray, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        env = np.concatenate([np.full(len(start), e) for e, start, _ in spans])
        start = np.concatenate([start for _, start, _ in spans])
        ends = np.concatenate([count for _, _, count in spans]).cumsum()
        if not len(ends) or ends[-1] == 0:
            raise ValueError(f"no {length} consecutive rows to sample among the {len(self)} stored")
        draw = rng.integers(ends[-1], size=batch)
        span = np.searchsorted(ends, draw, side="right")
        rows = start[span] + draw - np.concatenate([[0], ends[:-1]])[span]
        return np.stack([env[span], rows], axis=1), start[span]

    def gather(self, ids: np.ndarray, length: int) -> Sequences:
        """The windows of `length` rows that open at `ids` [B, 2]. KeyError where rows are gone or still to come."""
        out = self._columns(ids, length)
        row = out["row"]
        plain = {name: np.ascontiguousarray(row[name]) for name in row.dtype.names or ()}
        rows = ids[:, None, 1] + np.arange(length)
        return Sequences(
            observation={key: out[name] if name in out else plain[name] for key, name in self._keys.items()},
            dense={name: out[name] for name in self.dense},
            ids=np.stack([np.broadcast_to(ids[:, None, 0], rows.shape), rows], axis=-1),
            **{
                name: plain[name]
                for name in ("action", "reward", "first", "last", "terminated", "truncated", "episode")
            },
        )

    def _columns(self, ids: np.ndarray, length: int) -> dict[str, Any]:
        """Every column of the layout, [B, L, ...], of those windows."""
        return self._copied(self._layout, ids, length)

    def _copied(self, names: Iterable[str], ids: np.ndarray, length: int) -> dict[str, np.ndarray]:
        out = {name: np.empty((len(ids), length), self._layout[name]) for name in names}
        for window, (env, start) in enumerate(ids.tolist()):
            self._streams[env].copy(start, length, out, window)
        return out

    def write(self, name: str, ids: np.ndarray, values: Any) -> None:
        """Rewrite the dense column `name` at `ids` [..., 2] with `values` [..., *shape], an array or a tensor where the
        replay is; dropped rows are skipped, and of ids that come twice the last one counts."""
        flat, values = ids.reshape(-1, 2), np.asarray(values).reshape(-1, *self.dense[name].shape)
        for env, stream in enumerate(self._streams):
            mine = (flat[:, 0] == env) & (flat[:, 1] >= stream.tail)
            index, offset = np.divmod(flat[mine, 1] - stream.tail, stream.size)
            for chunk in np.unique(index):
                here = index == chunk
                stream.chunks[chunk][name][offset[here]] = values[mine][here]

    def _spans(
        self, length: int, within_episodes: bool, finished: bool = False
    ) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Per environment: runs of consecutive window starts, as first start and count. `finished`, of windows within
        episodes: without the episode that is still going on."""
        spans = []
        for env, stream in enumerate(self._streams):
            edges = np.array([*stream.starts, stream.head] if within_episodes else [stream.tail, stream.head])
            if finished and stream.open:
                edges = edges[:-1]
            spans.append((env, edges[:-1], np.maximum(np.diff(edges) - length + 1, 0)))
        return spans

    def flush(self, folder: Path) -> State:
        """Append new rows to `folder`/<env>/<chunk>.<column>.bin; dense columns go whole into files of this flush.

        The manifest names every file it needs with the CRC-32 of the bytes it counts; `prune` removes the others.
        """
        self._flushes += 1
        for env, stream in enumerate(self._streams):
            (folder / str(env)).mkdir(parents=True, exist_ok=True)
            stream.flush(folder / str(env), self._flushes)
            _sync(folder / str(env))
        _sync(folder)
        sums = {f"{env}/{name}": crc for env, stream in enumerate(self._streams) for name, crc in stream.sums.items()}
        spans = [[stream.tail, stream.head] for stream in self._streams]
        return {"layout": _describe(self._layout), "flush": self._flushes, "streams": spans, "files": sums}

    def restore(self, folder: Path, manifest: State) -> None:
        if manifest["layout"] != _describe(self._layout) or len(manifest["streams"]) != len(self._streams):
            raise ValueError(f"the replay under {folder} has other columns or environments than this agent's")
        self._flushes = manifest["flush"]
        for env, (stream, (tail, head)) in enumerate(zip(self._streams, manifest["streams"], strict=True)):
            mine = {name: crc for name, crc in manifest["files"].items() if name.partition("/")[0] == str(env)}
            stream.sums = {name.partition("/")[2]: crc for name, crc in mine.items()}
            stream.restore(folder / str(env), self._flushes, tail, head)

    def prune(self, folder: Path, manifests: Sequence[State]) -> None:
        needed = {name for manifest in manifests for name in manifest["files"]}
        for path in folder.glob("*/*.bin"):
            if path.relative_to(folder).as_posix() not in needed:
                path.unlink()


class _Stream:
    """One environment's rows, in chunks of `size`, numbered from `tail` (the oldest held) to `head` (the next)."""

    def __init__(self, layout: Mapping[str, np.dtype], dense: Mapping[str, Dense], capacity: int):
        self.layout, self.dense, self.capacity = layout, dense, capacity
        self.size = min(CHUNK, capacity)
        self.chunks: list[dict[str, np.ndarray]] = []
        self.tail = self.head = self.flushed = 0
        self.starts: list[int] = []  # the first row held of every episode held
        self.sums: dict[str, int] = {}  # CRC-32 of what was flushed to each file

    def append(self, first: bool) -> tuple[dict[str, np.ndarray], int]:
        """The chunk and the offset of a new row."""
        if self.head - self.tail == len(self.chunks) * self.size:
            if self.head - self.tail >= self.capacity + self.size:
                self._drop()
            self._grow()
        if first or not self.starts:
            self.starts.append(self.head)
        self.head += 1
        return self.chunks[-1], (self.head - 1) % self.size

    @property
    def open(self) -> bool:
        """Whether the newest episode is still going on."""
        return self.head > self.tail and not self.chunks[-1]["row"]["last"][(self.head - 1) % self.size]

    def _grow(self) -> None:
        chunk = {name: np.empty(self.size, dtype) for name, dtype in self.layout.items()}
        for name, column in self.dense.items():
            chunk[name][...] = column.fill
        self.chunks.append(chunk)

    def _drop(self) -> None:
        del self.chunks[0]
        self.tail += self.size
        while len(self.starts) > 1 and self.starts[1] <= self.tail:
            del self.starts[0]
        self.starts[0] = max(self.starts[0], self.tail)

    def copy(self, start: int, length: int, out: Mapping[str, np.ndarray], window: int) -> None:
        """Copy rows `start` ... `start + length` into row `window` of `out`, each [B, length, ...]."""
        if start < self.tail or start + length > self.head:
            raise KeyError(f"rows {start} to {start + length} are not among the stored {self.tail} to {self.head}")
        done = 0
        while done < length:
            index, offset = divmod(start + done - self.tail, self.size)
            part = min(length - done, self.size - offset)
            for name, array in out.items():
                array[window, done : done + part] = self.chunks[index][name][offset : offset + part]
            done += part

    def _pieces(self) -> Iterator[tuple[int, dict[str, np.ndarray], int]]:
        """(number, chunk, rows filled) of every chunk."""
        for index, chunk in enumerate(self.chunks):
            first = self.tail + index * self.size
            yield first // self.size, chunk, min(self.size, self.head - first)

    def _file(self, number: int, name: str, flush: int) -> str:
        return f"{number}.{name}-{flush}.bin" if name in self.dense else f"{number}.{name}.bin"

    def flush(self, folder: Path, flush: int) -> None:
        sums = {}
        for number, chunk, filled in self._pieces():
            for name, array in chunk.items():
                begin = 0 if name in self.dense else min(max(self.flushed - number * self.size, 0), filled)
                file = self._file(number, name, flush)
                sums[file] = self.sums[file] if begin else 0
                if begin < filled:
                    data = _bytes(array, begin, filled)
                    sums[file] = crc32(data, sums[file])
                    _write(folder / file, data, begin * array[:1].nbytes)
        self.sums, self.flushed = sums, self.head

    def restore(self, folder: Path, flush: int, tail: int, head: int) -> None:
        self.chunks, self.starts, self.tail, self.head, self.flushed = [], [], tail, head, head
        for first in range(tail, head, self.size):
            self._grow()
            filled = min(self.size, head - first)
            for name, array in self.chunks[-1].items():
                file = self._file(first // self.size, name, flush)
                _read(folder / file, array, filled, self.sums[file])
            flags = self.chunks[-1]["row"]["first"][:filled]
            self.starts += [first + int(at) for at in np.flatnonzero(flags)]
        if head > tail and self.starts[:1] != [tail]:
            self.starts.insert(0, tail)


def layout(task: Task, dense: Mapping[str, Dense]) -> dict[str, np.dtype]:
    """A chunk's arrays: one structured row of all that is narrow, one array per wide observation or dense column."""
    row: list[Any] = [("episode", "i8")]
    if isinstance(task.action, spaces.Discrete):
        row += [("action", "i8")]
    else:
        row += [("action", "f4", task.action.shape)]
    row += [("reward", "f4")]
    wide = {}
    for key, space in task.observation.spaces.items():
        dtype = np.dtype((space.dtype, space.shape))
        if dtype.itemsize > WIDE:
            wide[f"observation.{key}"] = dtype
        else:
            row += [(f"observation.{key}", space.dtype, space.shape)]
    row += [(flag, "?") for flag in ("first", "last", "terminated", "truncated")]
    return {"row": np.dtype(row), **wide, **{name: np.dtype((d.dtype, d.shape)) for name, d in dense.items()}}


def _describe(layout: Mapping[str, np.dtype]) -> str:
    return str({name: (str(dtype.base), dtype.shape) for name, dtype in layout.items()})


def _bytes(array: np.ndarray, begin: int, end: int) -> memoryview:
    """Rows `begin` ... `end` as they go to a file."""
    return np.ascontiguousarray(array[begin:end]).reshape(-1).view(np.uint8).data


def _write(path: Path, data: memoryview, offset: int) -> None:
    """`data` at `offset` of the file, which then ends there, on the disk itself."""
    with open(path, "r+b" if path.exists() else "xb") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, array: np.ndarray, rows: int, crc: int) -> None:
    """The first `rows` rows of `array` from the file, cut there. ValueError where they are not what was written."""
    size = rows * array[:1].nbytes
    found = path.stat().st_size if path.exists() else 0
    if found < size:
        raise ValueError(f"{path} has {found} bytes of the {size} this checkpoint needs")
    os.truncate(path, size)
    data = path.read_bytes()
    if crc32(data) != crc:
        raise ValueError(f"{path} is damaged: its checksum differs from the checkpoint's")
    array[:rows] = np.frombuffer(data, array.dtype).reshape(array[:rows].shape)


def _sync(folder: Path) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
