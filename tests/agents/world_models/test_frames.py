"""The store: every column grows at its end, is written once, mapped, cut at a checkpoint, and checked."""

import json

import numpy as np
import pytest

from bench.agents.world_models.frames import Column, Frames
from bench.tests.agents.counter import IMAGE, VECTOR, steps


def numbers(*rows: int) -> np.ndarray:
    return np.array(rows, np.float32)[:, None] * [1, 10]


def test_rows_lie_in_memory_and_then_in_one_file_that_is_only_appended_to(tmp_path):
    column, path = Column("f4", (2,)), tmp_path / "column.bin"
    column.append(numbers(0, 1, 2))
    first = column.flush(path)
    begin = path.read_bytes()
    assert column.nbytes == 0
    column.append(numbers(3))
    column.append(numbers(4, 5))
    index = np.array([[5, 0], [3, 2]])
    assert column[index].tolist() == [[[5, 50], [0, 0]], [[3, 30], [2, 20]]]  # half of it mapped, half not
    assert column[index.T].flags.c_contiguous
    column.flush(path)
    assert column[index.T].flags.c_contiguous  # wherever rows lie, the copy lies the same
    assert path.read_bytes()[: len(begin)] == begin
    assert column[index].tolist() == [[[5, 50], [0, 0]], [[3, 30], [2, 20]]]
    again = Column("f4", (2,))
    again.restore(path, *first)
    assert again[:].tolist() == numbers(0, 1, 2).tolist() and path.stat().st_size == 24
    again.append(numbers(7))
    again.flush(path)
    assert again[:].tolist() == numbers(0, 1, 2, 7).tolist()


def test_reading_a_batch_copies_the_batch_alone(tmp_path):
    column = Column("u1", (64, 64, 3))
    column.append(np.zeros((200, 64, 64, 3), np.uint8))
    column.flush(tmp_path / "column.bin")
    assert column.nbytes == 0
    assert column[np.arange(10)].nbytes == 10 * 64 * 64 * 3


@pytest.mark.parametrize("harm", ["short", "flipped", "gone"])
def test_a_damaged_file_is_noticed(tmp_path, harm):
    column, path = Column("f4", (2,)), tmp_path / "column.bin"
    column.append(numbers(0, 1, 2))
    kept = column.flush(path)
    data = bytearray(path.read_bytes())
    path.unlink()
    if harm == "short":
        path.write_bytes(data[:-1])
    elif harm == "flipped":
        data[9] ^= 1
        path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged" if harm == "flipped" else "bytes of the 24"):
        Column("f4", (2,)).restore(path, *kept)


@pytest.mark.parametrize("task", [VECTOR, IMAGE], ids=lambda task: task.id)
def test_episodes_are_put_in_order_and_rows_hold_what_was_done_on_them(task, tmp_path):
    frames = Frames(task, 3)
    for step in steps(task, 2, 12):
        frames.add(step)
    manifest = json.loads(json.dumps(frames.flush(tmp_path)))
    again = Frames(task, 3)
    again.restore(tmp_path, manifest)
    for kept in (frames, again):
        assert len(kept) == 24
        for rows in kept.episodes(1):
            seen = kept.observation(rows)
            shown = seen["vector"] if "vector" in seen else seen["image"][:, 0, 0, :2]
            at = np.arange(len(rows))
            assert shown[:, 0].tolist() == kept["episode"][rows].tolist() == [shown[0, 0]] * len(rows)
            assert shown[:, 1].tolist() == at.tolist()
            assert kept["reward"][rows].tolist() == (at + 1).tolist()
            assert kept["first"][rows].tolist() == (at == 0).tolist()
            assert not kept["terminated"][rows][:-1].any()
    long = frames.episodes(3)
    assert {len(rows) for rows in long} <= {3, 5} and len(long) < len(frames.episodes(1))
    assert len(frames.episodes(99)) == len(frames.episodes(1))  # all, where none is that long


def test_other_columns_are_refused(tmp_path):
    frames = Frames(VECTOR, 3)
    with pytest.raises(ValueError, match="other columns"):
        Frames(IMAGE, 3).restore(tmp_path, frames.flush(tmp_path))
