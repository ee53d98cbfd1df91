"""The replay on the device gives what the host's alone would have given. Here the device may be the CPU itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from bench.agents import registry
from bench.agents.common import device_replay
from bench.agents.common.device_replay import DeviceReplay
from bench.agents.common.replay import Dense, SequenceReplay, Sequences
from bench.agents.common.tree import difference
from bench.agents.counter import TASKS, Subject
from bench.tests.agents.counter import IMAGE, steps
from bench.tests.agents.test_capture import FAMILIES

DENSE = {"priority": Dense(fill=1.0), "latent": Dense((3,), "int16")}
GPU = pytest.param(
    "cuda:0",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(
            not torch.cuda.is_available(), reason="no CUDA device: not checked whether its replay is the host's"
        ),
    ],
)
on_devices = pytest.mark.parametrize("device", ["cpu", GPU])


def on_host(batch: Sequences) -> Sequences:
    def arrays(columns):
        assert all(isinstance(column, torch.Tensor) for column in columns.values())
        return {name: column.cpu().numpy() for name, column in columns.items()}

    return batch._replace(observation=arrays(batch.observation), dense=arrays(batch.dense))


@on_devices
def test_it_gives_what_the_hosts_replay_gives(device, tmp_path):
    """Through rows that are dropped, rows that are rewritten, some of them twice in one call, and a resume."""
    plain, resident = SequenceReplay(IMAGE, 2100, 2, DENSE), DeviceReplay(IMAGE, 2100, 2, device, DENSE)
    rng = np.random.default_rng(0)
    for count, step in enumerate(steps(IMAGE, 2, 3000)):
        latent = rng.integers(100, size=(2, 3))
        for replay in (plain, resident):
            replay.add(step, priority=step.reward, latent=latent)
        if count % 97 == 96:
            ids = plain.draw(rng, 40, 6)
            assert not difference(plain.gather(ids, 6), on_host(resident.gather(ids, 6)))
            written = plain.gather(np.concatenate([ids, ids]), 4).ids
            written[0, 0] = 0, plain.tails[0] - 1  # one that may be gone
            values = rng.integers(100, size=(*written.shape[:2], 3)).astype(np.int16)
            plain.write("latent", written, values)
            resident.write("latent", written, torch.from_numpy(values).to(device))
        if count == 2000:
            manifests = [replay.flush(tmp_path / name) for name, replay in (("p", plain), ("r", resident))]
            assert manifests[0] == manifests[1], "other files, or other bytes in them"
            resident = DeviceReplay(IMAGE, 2100, 2, device, DENSE)
            resident.restore(tmp_path / "r", json.loads(json.dumps(manifests[1])))
    everything = plain.starts(1)
    assert not difference(plain.gather(everything, 1), on_host(resident.gather(everything, 1)))


@on_devices
def test_without_room_on_the_device_the_hosts_replay_serves(device, monkeypatch):
    plain, resident = SequenceReplay(IMAGE, 5000, 1, DENSE), DeviceReplay(IMAGE, 5000, 1, device, DENSE)
    monkeypatch.setattr(device_replay, "free_memory", lambda device: 60e6)  # room for 2 pages of 12.6 MB, not for 4
    rng = np.random.default_rng(0)

    def lived(count: int) -> None:
        for step in steps(IMAGE, 1, count):
            for replay in (plain, resident):
                replay.add(step, priority=step.reward)
        ids = plain.draw(rng, 8, 5)
        batch, found = plain.gather(ids, 5), resident.gather(ids, 5)
        assert not difference(batch, on_host(found) if resident.resident else found)
        values = torch.from_numpy(rng.random((8, 5)).astype(np.float32))
        for replay in (plain, resident):
            here = values.to(device) if replay is resident and resident.resident else values
            replay.write("priority", batch.ids, here)

    lived(700)
    lived(700)
    assert resident.resident
    with pytest.warns(UserWarning, match="stays on the host: 4,096 rows would take 0.1 GB"):
        lived(700)
    lived(700)
    assert not resident.resident
    assert not difference(plain.gather(plain.starts(1), 1), resident.gather(resident.starts(1), 1))


@on_devices
def test_giving_up_in_the_midst_of_environments_loses_nothing(device, monkeypatch):
    """The first wants a page more than there are, the last has just dropped rows."""
    plain, resident = SequenceReplay(IMAGE, 8192, 4, DENSE), DeviceReplay(IMAGE, 8192, 4, device, DENSE)
    rng = np.random.default_rng(0)

    def lived(count: int, cut: bool) -> None:
        for step in steps(IMAGE, 4, count):
            priority, cuts = rng.random(4), np.array([False, False, False, cut])
            for replay in (plain, resident):
                replay.add(step, cuts, priority=priority)

    lived(1300, cut=False)
    ids = plain.gather(plain.starts(1), 1).ids
    values = torch.from_numpy(rng.random(ids.shape[:2]).astype(np.float32))
    plain.write("priority", ids, values)
    resident.write("priority", ids, values.to(device))
    monkeypatch.setattr(device_replay, "free_memory", lambda device: 0.0)
    lived(800, cut=True)
    assert plain.tails[0] == 0 and plain.heads[0] > 2048 and plain.tails[3] == 1024
    with pytest.warns(UserWarning, match="stays on the host"):
        found = resident.gather(resident.starts(1), 1)
    assert not difference(plain.gather(plain.starts(1), 1), found)


@pytest.mark.parametrize("name", ["decqn", "dreamer", "dreamer_v2", "simulus", "tdmpc2"])
def test_agents_learn_the_same_from_it(name, monkeypatch):
    """Bit for bit, from pictures."""
    task, spec = TASKS["counter/image-box" if name == "tdmpc2" else "counter/image-discrete"], registry.get(name)
    config = registry.resolve(spec, task, "tiny", FAMILIES.get(f"{name} on image-discrete", FAMILIES[name])[0], {})
    where = "common.rssm" if name == "dreamer_v2" else name
    found = []
    for made in (lambda *each: SequenceReplay(*each[:3], *each[4:]), DeviceReplay):
        monkeypatch.setattr(f"bench.agents.{where}.agent.sequence_replay", made)
        each = Subject(spec, config, task)
        each.play(40)
        assert each.agent.updates
        found.append([each.state(), each.agent.media()])
    assert not difference(*found)
