"""Rows, windows and files of the sequence replay."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from bench.agents.common.replay import Dense, SequenceReplay, Sequences
from bench.tests.agents.counter import IMAGE, VECTOR, steps


def numbers(batch: Sequences) -> np.ndarray:
    """[B, L, 2]: (episode, index) as the observation shows them."""
    if "vector" in batch.observation:
        return batch.observation["vector"].astype(int)
    return batch.observation["image"][:, :, 0, 0, :2].astype(int)


def filled(task=VECTOR, envs=1, count=100, capacity=10_000, **dense: Dense) -> SequenceReplay:
    replay = SequenceReplay(task, capacity, envs, dense)
    for step in steps(task, envs, count):
        replay.add(step)
    return replay


def equal(one: Sequences, other: Sequences) -> bool:
    return all(
        all(np.array_equal(a[k], b[k]) for k in a) if isinstance(a, dict) else np.array_equal(a, b)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("task", [VECTOR, IMAGE])
def test_a_row_holds_the_action_chosen_on_its_observation_and_what_followed(task):
    batch = filled(task, envs=2, count=60).sample(np.random.default_rng(0), 64, 7)
    episode, at = numbers(batch)[..., 0], numbers(batch)[..., 1]
    action = batch.action if task is IMAGE else np.rint(batch.action[..., 0] * 10).astype(int)
    length = np.array([3, 5, 2])[episode % 3]
    assert np.array_equal(batch.episode, episode)
    assert np.array_equal(batch.last, at == length)
    assert np.array_equal(batch.first, at == 0)
    assert np.array_equal(action, np.where(batch.last, 0, at))
    assert np.array_equal(batch.reward, np.where(batch.last, 0, at + 1))
    assert np.array_equal(batch.terminated, (at >= length - 1) & (episode % 2 == 0))
    assert np.array_equal(batch.truncated, (at >= length - 1) & (episode % 2 == 1))
    assert np.array_equal(np.diff(at)[~batch.last[:, :-1]], np.ones((~batch.last[:, :-1]).sum()))
    assert np.all(batch.first[:, 1:] == batch.last[:, :-1])


def test_windows_inside_episodes_are_all_of_them_and_no_others():
    replay = filled(envs=2, count=40)
    batch = replay.gather(replay.starts(4, within_episodes=True), 4)
    assert len(batch.episode) == replay.windows(4, within_episodes=True)
    assert (batch.episode == batch.episode[:, :1]).all()
    everything = replay.gather(replay.starts(4), 4)
    assert len(batch.episode) == (everything.episode == everything.episode[:, :1]).all(axis=1).sum()


def test_windows_are_drawn_uniformly():
    replay = filled(envs=3, count=20)
    for within in (False, True):
        ids = replay.sample(np.random.default_rng(0), 20_000, 3, within).ids[:, 0]
        starts = replay.starts(3, within)
        counts = (ids[:, None] == starts).all(axis=2).sum(axis=0)
        assert counts.sum() == 20_000
        assert abs(counts / 20_000 - 1 / len(starts)).max() < 5 * np.sqrt(1 / len(starts) / 20_000)


def test_too_few_rows_are_an_error():
    with pytest.raises(ValueError, match="no 4 consecutive rows"):
        filled(count=2).sample(np.random.default_rng(0), 1, 4)


def test_a_cut_episode_keeps_its_last_observation():
    replay = SequenceReplay(VECTOR, 100)
    cut, following = list(steps(VECTOR, 1, 2))[1], list(steps(VECTOR, 1, 4))[3]
    replay.add(cut, np.array([True]))
    replay.add(following)
    batch = replay.gather(np.array([[0, 0]]), 3)
    assert numbers(batch)[0].tolist() == [[0, 1], [0, 2], [1, 0]]
    assert batch.truncated[0].tolist() == [True, True, False]
    assert batch.last[0].tolist() == [False, True, False]


def test_the_oldest_rows_go_by_chunks_and_ids_stay():
    whole, short = filled(count=4000), filled(count=4000, capacity=1500)
    assert 1500 <= len(short) <= 1500 + 1024
    assert short.heads == whole.heads
    tail = int(short.starts(1)[0, 1])
    assert equal(short.gather(np.array([[0, tail]]), 50), whole.gather(np.array([[0, tail]]), 50))
    with pytest.raises(KeyError, match="are not among the stored"):
        short.gather(np.array([[0, tail - 1]]), 2)
    inside = short.gather(short.starts(3, within_episodes=True), 3)
    assert (inside.episode == inside.episode[:, :1]).all()


def test_dense_columns_are_written_by_id_and_dropped_rows_skipped():
    replay = filled(envs=2, count=1500, capacity=2048, priority=Dense(fill=10.0), latent=Dense((3,), "float16"))
    ids = np.array([[[0, 5], [1, 1300]], [[0, 1301], [0, 1302]]])
    replay.write("priority", ids, np.array([[1, 2], [3, 4]]))
    assert replay.gather(np.array([[0, 1300]]), 4).dense["priority"].tolist() == [[10, 3, 4, 10]]
    assert replay.gather(np.array([[1, 1300]]), 2).dense["priority"].tolist() == [[2, 10]]
    replay.write("latent", ids[1], np.ones((2, 3)))
    assert replay.gather(np.array([[0, 1301]]), 3).dense["latent"].sum() == 6


def test_restored_equals_never_interrupted(tmp_path):
    dense = {"priority": Dense(fill=1.0)}
    reference = SequenceReplay(VECTOR, 3000, 2, dense)
    saved = SequenceReplay(VECTOR, 3000, 2, dense)
    manifest = {}
    for count, step in enumerate(steps(VECTOR, 2, 5000)):
        reference.add(step, priority=step.reward)
        saved.add(step, priority=step.reward)
        if count % 613 == 600:  # a checkpoint, some more steps, their flush, a kill, and a resume from that checkpoint
            manifest = json.loads(json.dumps(saved.flush(tmp_path)))
            for later in steps(VECTOR, 2, 700):
                saved.add(later)
            saved.flush(tmp_path)
            saved = SequenceReplay(VECTOR, 3000, 2, dense)
            saved.restore(tmp_path, manifest)
    assert equal(reference.gather(reference.starts(5), 5), saved.gather(saved.starts(5), 5))
    assert np.array_equal(reference.starts(3, True), saved.starts(3, True))
    assert reference.nbytes == saved.nbytes


def test_pruning_keeps_what_the_kept_checkpoints_need_and_nothing_else(tmp_path):
    replay = SequenceReplay(VECTOR, 1024, 1, {"priority": Dense()})
    manifests, contents = [], []
    for count, step in enumerate(steps(VECTOR, 1, 12_000)):
        replay.add(step)
        if count % 1000 == 999:
            replay.write("priority", replay.starts(1), np.full(len(replay), count))
            manifests.append(replay.flush(tmp_path))
            contents.append(replay.gather(replay.starts(1), 1))
            replay.prune(tmp_path, manifests[-2:])
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*.bin")}
    assert files == {*manifests[-2]["files"], *manifests[-1]["files"]}
    for manifest, content in zip(
        manifests[:-3:-1], contents[:-3:-1], strict=True
    ):  # the older one cuts the files: last
        restored = SequenceReplay(VECTOR, 1024, 1, {"priority": Dense()})
        restored.restore(tmp_path, manifest)
        assert equal(restored.gather(restored.starts(1), 1), content)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("short", r"0\.row\.bin has \d+ bytes of the \d+ this checkpoint needs"),
        ("missing", r"0\.row\.bin has 0 bytes of the \d+ this checkpoint needs"),
        ("flipped", r"0\.row\.bin is damaged"),
    ],
)
def test_a_damaged_file_is_a_clear_error(tmp_path, damage, says):
    replay = filled(count=50)
    manifest = replay.flush(tmp_path)
    path = tmp_path / "0" / "0.row.bin"
    data = bytearray(path.read_bytes())
    data[100] ^= damage == "flipped"
    path.write_bytes(data[:-1] if damage == "short" else data)
    if damage == "missing":
        path.unlink()
    with pytest.raises(ValueError, match=says):
        filled(count=0).restore(tmp_path, manifest)


def test_another_layout_is_a_clear_error(tmp_path):
    manifest = filled(count=5).flush(tmp_path)
    with pytest.raises(ValueError, match="other columns"):
        filled(IMAGE, count=0).restore(tmp_path, manifest)


def test_a_flush_after_a_failed_one_repairs_the_file(tmp_path):
    replay = filled(count=50)
    replay.flush(tmp_path)
    with open(tmp_path / "0" / "0.row.bin", "ab") as file:
        file.write(b"half a row")
    for step in steps(VECTOR, 1, 20):
        replay.add(step)
    restored = filled(count=0)
    restored.restore(tmp_path, replay.flush(tmp_path))
    assert equal(restored.gather(restored.starts(1), 1), replay.gather(replay.starts(1), 1))


def test_flush_appends_and_never_rewrites(tmp_path):
    replay = filled(count=10)
    path: Path = tmp_path / "0" / "0.row.bin"
    replay.flush(tmp_path)
    before = path.read_bytes()
    for step in steps(VECTOR, 1, 10):
        replay.add(step)
    replay.flush(tmp_path)
    assert path.read_bytes().startswith(before)
    assert len(path.read_bytes()) > len(before)


def test_images_cost_their_bytes_once_and_sequences_of_them_come_fast():
    replay = filled(IMAGE, count=4000)
    rows = -(-len(replay) // 1024) * 1024
    assert replay.nbytes < rows * 64 * 64 * 3 * 1.01
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        replay.sample(np.random.default_rng(0), 16, 64)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.010
