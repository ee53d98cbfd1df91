"""The store's promises: identities, records, event rows, leases."""

import json
import socket
import subprocess
import sys
import time
from dataclasses import fields, replace

import pytest

from bench.results import lease, reader
from bench.results.schema import (
    At,
    Budget,
    Episode,
    Evaluation,
    Identity,
    Metrics,
    RunRecord,
    Runtime,
    event_line,
    parse_event,
)
from bench.results.store import EventLog, RunFolder

IDENTITY = Identity({"name": "toy", "version": 1}, "toy/reach", "random", "", "tiny", {"a": [1, 2.5]}, {"envs": 1}, 0)
RUNTIME = Runtime(Budget(1000, 100, 5, 10), "toy")
AT = At(3, 3, 6, 0)


def test_every_field_of_the_identity_changes_the_digest():
    changed = {
        "protocol": {"name": "toy", "version": 2}, "task": "toy/maze", "agent": "decqn", "variant": "v",
        "scale": "paper", "config": {"a": [1, 3]}, "collection": {"envs": 2}, "seed": 1,
    }  # fmt: skip
    assert set(changed) == {field.name for field in fields(Identity)}, (
        "a new field is identity or runtime: declare it here"
    )
    digests = {replace(IDENTITY, **{name: value}).digest for name, value in changed.items()}
    assert len(digests | {IDENTITY.digest}) == len(changed) + 1


def test_runtime_and_record_fields_are_declared():
    assert {field.name for field in fields(Runtime)} == {"budget", "suite", "device", "threads", "keep"}
    assert {field.name for field in fields(RunRecord)} == {
        "identity", "runtime", "status", "reason", "counters", "score", "exactness", "pinned", "sessions", "schema",
    }  # fmt: skip


def test_a_record_comes_back_equal(tmp_path):
    folder = RunFolder.create(tmp_path, IDENTITY, RUNTIME)
    assert RunFolder.open(folder.path).record == RunRecord(IDENTITY, RUNTIME)


@pytest.mark.parametrize(
    "event",
    [
        Episode(AT, 4, 17, -0.1, 20, "terminated"),
        Evaluation(AT, "evaluate", [1.5, 2.0], [3, 4], [5, 6]),
        Metrics(AT, {"loss": 0.25}),
    ],
)
def test_an_event_comes_back_equal(event):
    assert parse_event(event_line(event)) == event


@pytest.mark.parametrize("line", ["", "{", '{"event":"party"}', "[]", '{"event":"episode","tick":1}'])
def test_a_damaged_event_line_is_a_value_error(line):
    with pytest.raises(ValueError):
        parse_event(line)


def test_the_event_log_is_cut_to_what_a_checkpoint_counted(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.append(Metrics(AT, {"a": 1.0}))
    size = log.sync()
    log.append(Metrics(AT, {"a": 2.0}))
    log.sync()
    log.close()
    EventLog(tmp_path / "events.jsonl", size).close()
    assert (tmp_path / "events.jsonl").read_text() == event_line(Metrics(AT, {"a": 1.0}))
    with pytest.raises(ValueError, match="the checkpoint counted"):
        EventLog(tmp_path / "events.jsonl", size + 1)


def test_an_unfinished_last_line_is_left_out_and_a_damaged_one_named(tmp_path):
    folder = RunFolder.create(tmp_path, IDENTITY, RUNTIME)
    whole = event_line(Metrics(AT, {"a": 1.0}))
    (folder.path / "events.jsonl").write_text(whole + whole[:20])
    assert len(list(reader.load(folder.path).events())) == 1
    (folder.path / "events.jsonl").write_text("nonsense\n" + whole)
    with pytest.raises(ValueError, match="line 1"):
        list(reader.load(folder.path).events())


def test_a_lease_is_held_by_one_and_a_dead_owner_loses_it(tmp_path):
    first = lease.Lease(tmp_path)
    with pytest.raises(lease.Held):
        lease.Lease(tmp_path)
    document = json.loads((tmp_path / "lease.json").read_text())
    (tmp_path / "lease.json").write_text(json.dumps(document | {"pid": 2**22 + 1}))  # above the kernel's largest
    second = lease.Lease(tmp_path)
    with pytest.raises(lease.Lost):
        first.beat({})
    first.release()
    second.beat({"stage": "train"})
    assert lease.read(tmp_path)["progress"] == {"stage": "train"}
    second.release()
    assert lease.read(tmp_path) is None


def test_a_reused_process_number_is_not_its_old_owner(tmp_path):
    lease.Lease(tmp_path)
    document = json.loads((tmp_path / "lease.json").read_text())
    assert lease.alive(document)
    assert not lease.alive(document | {"started": "1"})


def test_a_killed_owner_that_nobody_reaps_is_dead(tmp_path):
    """In a container without an init process a killed run stays as a zombie, with its number and its start tick."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    document = {"host": socket.gethostname(), "pid": child.pid, "started": lease._started(child.pid), "heartbeat": 0.0}
    assert lease.alive(document)
    child.kill()
    deadline = time.time() + 10
    while lease.alive(document):
        assert time.time() < deadline
        time.sleep(0.01)
    child.wait()


def test_another_hosts_lease_is_dead_when_its_heartbeat_is_old():
    document = {"host": "elsewhere", "pid": 1, "started": "", "heartbeat": time.time()}
    assert lease.alive(document)
    assert not lease.alive(document | {"heartbeat": time.time() - lease.STALE - 1})


def test_two_thousand_runs_are_read_in_under_a_second(tmp_path):
    text = RunRecord(IDENTITY, RUNTIME).to_json()
    for number in range(2000):
        path = tmp_path / "toy" / f"task{number % 40}" / "random" / f"s{number}-0123456789"
        path.mkdir(parents=True)
        (path / "run.json").write_text(text)
    start = time.process_time()
    found, problems = reader.runs(tmp_path)
    elapsed = time.process_time() - start
    assert len(found) == 2000
    assert not problems
    assert elapsed < 1, elapsed
