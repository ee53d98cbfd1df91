"""What `bench throughput` measures, keeps and shows, and what a plan makes of it."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench.agents.common.capture import Capture
from bench.benchmarks import forecast, measuring, mps, plan, provenance, throughput
from bench.benchmarks.errors import RequestError
from bench.benchmarks.measuring import Row
from bench.benchmarks.provenance import device_kind
from bench.envs import registry as envs
from bench.report.throughput import panel, tables
from bench.tests.agents.recording import Recorder
from bench.tests.benchmarks.conftest import environment


def planned(agents: str, root, *sets: str):
    request = plan.Request(agents, "toy", "reach", "1", "tiny", sets=sets, root=root, device="cpu")
    return plan.make(request)


def identity(agents: str, root, *sets: str):
    return planned(agents, root, *sets).runs[0].identity


def test_one_run_alone_and_two_packed(monkeypatch, tmp_path):
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    rows = {row.quantity: row for row in throughput.measure(identity("linear_q", tmp_path), "cpu", 0.3, [2])}
    alone = ("end to end", "environment", "act", "update", "runner's own work", "memory")
    assert all(rows[name].value > 0 for name in alone)
    assert not {"plan", "imagination", "FLOPs"} & set(rows), "it has none"
    assert rows["memory"].value < 150, "of a process that imports neither torch nor what a parent has imported"
    for name in ("end to end", "act", "update", "memory"):
        each, together = (rows[f"{name}, 2 packed, {kind}"].value for kind in ("each", "together"))
        assert together == pytest.approx(2 * each)
    assert rows["update, 1 packed, each"].value == rows["update, 1 packed, together"].value


@pytest.fixture
def measured(monkeypatch):
    """measured(identity, seconds): rows by quantity, measured in this process, which has torch already."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield lambda one, seconds, **how: {row.quantity: row.value for row in measuring.measure(one, "cpu", seconds, **how)}
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.slow
def test_stages_are_timed_apart(measured, tmp_path):
    sets = ("data_episodes=3", "v_batch=8", "v_epochs=2", "m_length=5", "m_batch=2", "m_updates=20", "generations=2")
    rows = measured(identity("world_models", tmp_path, *(f"world_models.{one}" for one in sets)), 0.4)
    assert {"update: V", "update: codes", "update: M", "imagination", "learning"} <= set(rows)
    assert "end to end: V, codes, M, C" in rows
    assert not {"end to end", "update", "FLOPs"} & set(rows), "of stages that differ there is no common one"
    assert rows["FLOPs: M"] > 0
    seconds = {name: rows[f"update: {name}"] ** -1 for name in ("V", "M")}
    assert rows["learning"] < 1.01 * max(rows[f"FLOPs: {name}"] / seconds[name] for name in seconds)


@pytest.mark.slow
def test_a_planners_plans_are_timed(measured, tmp_path):
    sets = ("seed_episodes=0", "seed_steps=10")
    rows = measured(identity("tdmpc2", tmp_path, *(f"tdmpc2.{one}" for one in sets)), 0.8)
    assert rows["plan"] > rows["act"] > 0
    assert rows["FLOPs of act"] > 0
    assert rows["learning"] == pytest.approx(rows["update"] * rows["FLOPs"], rel=0.01)
    assert rows["end to end"] < 4 * rows["update"], "every fourth decision owes an update, and takes a plan besides"


def test_graphs_are_measured_or_it_says_that_there_are_none(measured, monkeypatch, tmp_path):
    """With a stand-in for a GPU's graphs."""
    backends = []
    built = Capture.__init__

    def capturing(self: Capture, device: str) -> None:
        built(self, device)
        self.backend = backends[-1]

    monkeypatch.setattr(Capture, "__init__", capturing)
    decqn = identity("decqn", tmp_path, "decqn.warmup=20", "decqn.batch=8", "decqn.hidden=[8]")
    backends.append(Recorder())
    rows = measured(decqn, 2.0)
    assert set(backends[-1].replays) == {"descend", "greedy"}
    assert all(rows[name] > 0 for name in ("update", "act", "FLOPs", "FLOPs of act", "learning"))
    backends.append(Recorder())
    assert measured(decqn, 0.6, eager=True)["update"] > 0
    assert not backends[-1].replays
    backends.append(Recorder())
    monkeypatch.setattr(backends[-1], "capture", lambda *_: (_ for _ in ()).throw(RuntimeError("an old driver")))
    with (
        pytest.warns(UserWarning, match="goes on eagerly"),
        pytest.raises(RuntimeError, match="measure with --eager: .*an old driver"),
    ):
        measured(decqn, 0.6)


def test_eager_rows_of_a_gpu_stand_beside_the_captured_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "device_kind", lambda device: "cuda: X")
    one, table = identity("tdmpc2", tmp_path), tmp_path / "throughput.csv"
    for eager in (False, True):
        throughput.append([Row("act", 1 + eager, "decisions/s")], one, "cuda:0", "idle", table, "bench", eager)
    assert {row["device"]: row["value"] for row in throughput.measured(table)} == {
        "cuda: X": "1",
        "cuda: X, eager": "2",
    }


ROWS = [Row("environment", 5000, "agent steps/s"), Row("act", 1000, "decisions/s"), Row("memory", 400, "MB")]


@pytest.mark.parametrize(
    ("more", "seconds", "basis"),
    [
        (Row("end to end", 50, "agent steps/s"), 12_000 / 50, "measured"),
        (Row("learning", 1e9, "FLOP/s"), None, "measured rates"),
    ],
)
def test_a_plan_forecasts_from_saved_rows(monkeypatch, tmp_path, more, seconds, basis):
    made = planned("tdmpc2", tmp_path / "runs")
    (run,) = made.runs
    table = tmp_path / "throughput.csv"
    older = [Row("act", 1, "decisions/s"), Row("end to end", 1, "agent steps/s")]
    throughput.append(older, run.identity, "cpu", "idle", table, "an older command")
    throughput.append([*ROWS, more], run.identity, "cpu", "idle", table, "bench throughput")
    rows = throughput.measured(table)
    assert {row["command"] for row in rows} == {"bench throughput"}, "newer rows take the place of older ones"
    assert {row["device"] for row in rows} == {device_kind("cpu")}
    monkeypatch.setattr(throughput, "measured", lambda: rows)
    need = forecast.make(made, 1, tmp_path / "runs").needs[run.path]
    assert need.basis == basis
    budget = run.runtime.budget
    episodes = (len(budget.points()) - 1) * budget.episodes + budget.final_episodes
    decisions = episodes * (envs.task("toy/reach").episode_steps or 0)
    acting = decisions * (1 / 5000 + 1 / 1000)
    if seconds is None:
        assert need.hours * 3600 > acting + 12_000 / 5000
    else:
        assert need.hours * 3600 == pytest.approx(seconds + acting)


ANSWERS = 'said=$(cat); echo "$1$said" >> {log}; '
EVERYTHING = ["-d", "start_server", "get_server_list", "quit"]


@pytest.mark.parametrize(
    ("daemon", "available", "asked"),
    [
        (
            ANSWERS + '[ "$said" = get_server_list ] && echo 42; exit 0',
            True,
            ["-d", "start_server", "get_server", "quit"],
        ),
        (ANSWERS + "exit 0", False, ["-d", "start_server", "get_server", "quit"]),
        (ANSWERS + "exit 1", False, ["-d"]),
        ('[ "$1" = -d ] && exec sleep 60', False, []),
    ],
    ids=["serves", "has no server", "fails", "hangs"],
)
def test_the_daemon_of_mps_is_asked_for_and_ended(monkeypatch, tmp_path, daemon, available, asked):
    """The driver's own is not on machines without a GPU: a script stands for it."""
    log, control = tmp_path / "log", tmp_path / mps.CONTROL
    control.write_text(f"#!/bin/sh\n{daemon.format(log=log)}\n")
    control.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with mps.daemon(seconds=1.0) as client:
        assert (client is not None) == available
        assert all(Path(path).is_dir() for path in (client or {}).values())
    said = dict.fromkeys(log.read_text().splitlines()) if log.exists() else {}
    assert len(said) == len(asked) and all(line.startswith(word) for line, word in zip(said, asked, strict=True))
    assert not any(Path(path).exists() for path in (client or {}).values())


def test_without_mps_its_row_says_so(monkeypatch, tmp_path):
    found = [[Row("act", 5.0, "/s")]]
    monkeypatch.setattr(throughput, "_together", lambda *_, **__: found)
    monkeypatch.setattr(throughput, "matrix_rate", lambda device: 1.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    one = identity("linear_q", tmp_path)
    assert throughput.measure(one, "cuda:0", 0.1, [2])[-1].quantity == "packed with MPS: not available"

    def fails(*_, client=None, **__):
        if client:
            raise RuntimeError("no server")
        return found

    monkeypatch.setattr(throughput, "_together", fails)
    monkeypatch.setattr(mps, "daemon", lambda: nullcontext({"CUDA_MPS_PIPE_DIRECTORY": "somewhere"}))
    with pytest.warns(UserWarning, match="with MPS: no server"):
        rows = throughput.measure(one, "cuda:0", 0.1, [2])
    assert [row.quantity for row in rows[-2:]] == ["act, 1 packed, together", "packed with MPS: not available"]


def test_packed_as_typed():
    assert throughput.parse_packed(" 2,4") == [2, 4]
    assert throughput.parse_packed("") == []
    for text in ("1", "two", "2,0"):
        with pytest.raises(RequestError, match="numbers from 2 on"):
            throughput.parse_packed(text)


def test_the_table_and_the_figure_hold_what_was_measured():
    key = {
        "agent": "a",
        "task": "toy/reach",
        "scale": "tiny",
        "device": "cpu: X",
        "machine": "idle machine",
        "unit": "",
    }
    values = {"update: V": 3, "update: M": 7, "act": 50, "act, 2 packed, each": 20, "act, 2 packed, together": 40}
    values |= {"act, 2 packed with MPS, each": 25, "packed with MPS: not available": 0}
    rows = [{**key, "quantity": name, "value": str(value)} for name, value in values.items()]
    alone, packed = tables(rows)
    lines = [dict(zip(alone.head, row, strict=True)) for row in alone.rows]
    assert {line["stage"]: line["updates/s"].value for line in lines} == {"": None, "V": 3, "M": 7}
    assert lines[0]["act, decisions/s"].value == 50
    assert alone.notes == ("a: idle machine",)
    assert [[getattr(cell, "value", cell) for cell in row[4:]] for row in packed.rows] == [
        ["2", 20, 40],
        ["2 with MPS", 25, None],
    ]
    assert packed.notes == ("a: packed with MPS: not available",)
    assert "a toy/reach tiny act 50/s" in panel(rows).alt
