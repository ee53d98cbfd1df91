"""A user's mistake is one clear sentence, the nearest right names, exit status 2, and nothing written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from bench.benchmarks import plan
from bench.benchmarks.errors import RequestError

GOOD = {"agents": "linear_q", "suite": "toy", "tasks": "reach", "seeds": "1", "scale": "tiny", "device": "cpu"}

WRONG = {
    "agent": ({"agents": "randon"}, ["'randon'", "'random'", "bench list agents"]),
    "variant": ({"agents": "decqn:big"}, ["'big'", "bench show decqn"]),
    "variant file": ({"agents": "decqn:nowhere.yaml"}, ["nowhere.yaml", "does not exist"]),
    "suite": ({"suite": "atari100"}, ["'atari100'", "'atari100k'", "bench list suites"]),
    "task": ({"tasks": "reech"}, ["'reech'", "reach", "bench list tasks"]),
    "task of another suite": ({"tasks": "pong"}, ["'pong'"]),
    "scale": ({"scale": "tinny"}, ["'tinny'", "'tiny'"]),
    "field": (
        {"agents": "decqn", "sets": ["decqn.lerning_rate=1"]},
        ["lerning_rate", "learning_rate", "bench show decqn"],
    ),
    "value of the wrong type": ({"agents": "decqn", "sets": ["decqn.batch=many"]}, ["batch", "int", "'many'"]),
    "field of no agent": ({"sets": ["decqn.batch=3"]}, ["decqn", "--agents"]),
    "set without a value": ({"sets": ["batch"]}, ["AGENT.FIELD=VALUE"]),
    "device": ({"device": "gpu"}, ["'gpu'", "cuda:0"]),
    "absent device": ({"device": "cuda:99"}, ["cuda:99", "cpu"]),
    "zero seeds": ({"seeds": "0"}, ["--seeds 0", "0,1,2"]),
    "repeated seeds": ({"seeds": "1,2,1"}, ["repeats 1"]),
    "seeds that are no numbers": ({"seeds": "two"}, ["'two'"]),
    "frames": ({"frames": "many"}, ["--frames 'many'"]),
    "no suite, no tasks": ({"suite": "", "tasks": ""}, ["--suite", "bench list suites"]),
    "unsupported pair": ({"agents": "linear_q", "tasks": "pixel-reach"}, ["linear_q does not run toy/pixel-reach"]),
    "back end": ({"sets": ["linear_q.collection.backend=envpool"]}, ["envpool"]),
    "no environment": ({"sets": ["linear_q.collection.envs=0"]}, ["collection.envs is 0"]),
    "lives on a toy": ({"sets": ["linear_q.collection.life_loss_ends=true"]}, ["life_loss_ends"]),
    "rerun": ({"rerun": "everything"}, ["'everything'", "failed, diverged, all"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_refused_with_the_nearest_right_thing(tmp_path, case):
    change, words = WRONG[case]
    store = tmp_path / "runs"
    with pytest.raises(RequestError) as refused:
        plan.make(plan.Request(**{**GOOD, **change}, root=store))
    said = str(refused.value)
    assert all(word in said for word in words), said
    assert "\n" not in said.strip()
    assert not store.exists()


def test_the_good_request_is_accepted(tmp_path):
    assert len(plan.make(plan.Request(**GOOD, root=tmp_path / "runs")).work) == 1


def test_a_runs_folder_that_is_a_file(tmp_path):
    store = tmp_path / "runs"
    store.write_text("mine")
    for root in (store, store / "deeper"):
        with pytest.raises(RequestError, match="is a file"):
            plan.make(plan.Request(**GOOD, root=root))
    assert store.read_text() == "mine"


@pytest.mark.parametrize("document", [{"schema": 99}, {"schema": 1}, "not json"])
def test_a_store_of_an_unknown_schema_is_left_alone(tmp_path, document):
    (run,) = plan.make(plan.Request(**GOOD, root=tmp_path)).runs
    run.path.mkdir(parents=True)
    text = document if isinstance(document, str) else json.dumps(document)
    (run.path / "run.json").write_text(text)
    with pytest.raises(RequestError, match=r"run\.json.*--runs"):
        plan.make(plan.Request(**GOOD, root=tmp_path))
    assert (run.path / "run.json").read_text() == text


def test_the_command_line_prints_the_sentence_and_exits_with_2(tmp_path, bench):
    done = bench("run", "--agents", "dreamr", "--suite", "toy", "--runs", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert "unknown agent 'dreamr'" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "agent"],
        ["show", "decqm"],
        ["run-one", "nowhere"],
        ["evaluate", "nowhere"],
        ["status", "--runs", "nowhere"],
        ["clean", "--runs", "nowhere"],
        ["check", "decqm"],
        ["run", "--agents", "random", "--suite", "toy", "--time-limit", "soon"],
        ["run", "--agents", "random", "--suite", "toy", "--jobs", "0"],
        ["plan", "--agents", "random", "--suite", "toy", "--jobs", "many"],
        ["throughput", "--agents", "random", "--tasks", "toy/reech"],
        ["throughput", "--agents", "random", "--packed", "1"],
        ["table", "throughput", "--suite", "toy"],
    ],
)
def test_every_verb_refuses_in_a_sentence(arguments, bench):
    done = bench(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    not Path("/dev/full").exists() or os.geteuid() != 0, reason="needs root to mount a full and a read-only disk"
)
@pytest.mark.parametrize(("options", "word"), [("size=4k", "No space left"), ("ro", "Read-only|cannot be written")])
def test_a_full_or_read_only_disk_is_said_before_any_work(tmp_path, options, word):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no right to mount here, so a full and a read-only disk were not tried: {mounted.stderr.strip()}")
    try:
        with pytest.raises(RequestError, match=word):
            plan.prepare(disk / "runs")
        assert not list(disk.glob("runs/*"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
