"""The real `bench run`: sweeps that go on whatever one run does, statuses, exit statuses, the page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.results import reader

ON_TOY = ["--suite", "toy", "--tasks", "reach", "--scale", "tiny", "--frames", "600", "--device", "cpu"]

PLUG_IN = '''
"""Agents and environments that go wrong, each in its own way."""
import time
from dataclasses import dataclass
import gymnasium
import numpy as np
from bench.agents.api import AgentConfig, AgentSpec
from bench.agents.random.spec import spec as random

def variant(name):
    return AgentSpec(name=name, summary="goes wrong", cls=f"faulty:{name.title()}", configure=random.configure)

raises, diverges = variant("raises"), variant("diverges")

def __getattr__(name):
    from bench.agents import registry
    base = registry.load(random)
    class Raises(base):
        def observe(self, step):
            if step.episode[0] == 3:
                raise RuntimeError("the agent broke")
            return super().observe(step)
    class Diverges(base):
        def metrics(self):
            return {"loss": float("nan")}
    return {"Raises": Raises, "Diverges": Diverges}[name]

class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    def __init__(self, fault=""):
        self.fault, self.episodes = fault, 0
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.episodes = 0, self.episodes + 1
        return np.zeros(2, np.float32), {}
    def step(self, action):
        self.time += 1
        if self.episodes == 4 and self.fault == "raise":
            raise RuntimeError("the simulator broke")
        if self.episodes == 4 and self.fault == "hang":
            time.sleep(3600)
        return np.zeros(2, np.float32), 1.0, self.time == 10, False, {}

for fault in ("raise", "hang"):
    gymnasium.register(f"Walk-{fault}-v0", entry_point=Walk, kwargs={"fault": fault})
'''


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory) -> str:
    """A folder with an installed distribution of agents that go wrong, one of them at import."""
    site = tmp_path_factory.mktemp("site")
    (site / "faulty.py").write_text(PLUG_IN)
    info = site / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    points = "[bench.agents]\nraises = faulty:raises\ndiverges = faulty:diverges\nabsent = no_such_module:spec\n"
    (info / "entry_points.txt").write_text(points)
    return str(site)


def test_the_same_command_continues_and_then_has_nothing_to_do(bench, tmp_path):
    command = ["run", "--agents", "random,linear_q", *ON_TOY, "--seeds", "2", "--runs", str(tmp_path / "runs")]
    first = bench(*command)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "4 runs: 4 new" in first.stdout
    page = tmp_path / "runs" / "page" / "toy.html"
    assert str(page) in first.stdout.replace("\n", "")
    content = page.read_bytes()
    runs, _ = reader.runs(tmp_path / "runs")
    before = {run.path: (run.path / "events.jsonl").read_bytes() for run in runs}
    assert len(before) == 4
    again = bench(*command)
    assert again.returncode == 0
    assert "4 runs: 4 done" in again.stdout
    assert page.read_bytes() == content, "the same snapshot gives the same bytes"
    wider = bench(*[part if part != "2" else "3" for part in command])
    assert wider.returncode == 0
    assert "6 runs: 2 new, 4 done" in wider.stdout or "4 done, 2 new" in wider.stdout
    assert all((path / "events.jsonl").read_bytes() == data for path, data in before.items())


def test_a_run_that_fails_or_diverges_is_a_row_and_the_others_finish(bench, plug_in, tmp_path):
    store = str(tmp_path / "runs")
    command = [
        "run",
        "--agents",
        "raises,diverges,random",
        *ON_TOY[:-4],
        "--frames",
        "1200",
        "--seeds",
        "1",
        "--runs",
        store,
    ]
    done = bench(*command, PYTHONPATH=plug_in + os.pathsep + str(Path(__file__).parents[2] / ".link"))
    assert done.returncode == 1, done.stdout + done.stderr
    status = {run.record.identity.agent: run.status for run in reader.runs(tmp_path / "runs")[0]}
    assert status == {"raises": "failed", "diverges": "diverged", "random": "finished"}
    assert "RuntimeError: the agent broke" in done.stdout
    assert "loss not finite" in done.stdout
    (diverged,) = (run for run in reader.runs(tmp_path / "runs")[0] if run.status == "diverged")
    assert len(list(diverged.events())) > 10, "what was measured before it diverged is kept"
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(("fault", "reason"), [("raise", "the simulator broke"), ("hang", "nothing moved for")])
def test_an_environment_that_raises_or_hangs_fails_its_run(bench, plug_in, tmp_path, fault, reason):
    task = f"gym:faulty:Walk-{fault}-v0"
    command = [
        "run",
        "--agents",
        "random",
        "--tasks",
        task,
        "--frames",
        "200",
        "--seeds",
        "1",
        "--runs",
        str(tmp_path / "runs"),
    ]
    paths = plug_in + os.pathsep + str(Path(__file__).parents[2] / ".link")
    done = bench(*command, PYTHONPATH=paths, BENCH_HANG_SECONDS="6")
    assert done.returncode == 1, done.stdout + done.stderr
    (run,) = reader.runs(tmp_path / "runs")[0]
    assert run.status == "failed"
    assert reason in run.record.reason


def test_a_plug_in_that_fails_at_import_is_a_line_in_doctor(bench, plug_in):
    done = bench("doctor", PYTHONPATH=plug_in + os.pathsep + str(Path(__file__).parents[2] / ".link"))
    assert done.returncode == 0, done.stderr
    assert "agent absent: " in done.stdout
    assert "no_such_module" in done.stdout
    assert "agent random: ready" in done.stdout


def test_a_full_disk_at_the_report_is_a_sentence_and_the_runs_are_whole(bench, tmp_path):
    command = ["run", "--agents", "random", *ON_TOY, "--seeds", "1", "--runs", str(tmp_path / "runs")]
    done = bench(*command, fault="report.write:1:full")
    assert done.returncode == 1
    assert "no page written: No space left" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert [run.status for run in reader.runs(tmp_path / "runs")[0]] == ["finished"]
    assert bench(*command).returncode == 0


def test_a_time_limit_stops_resumably_with_status_3(bench, tmp_path):
    command = [
        "run",
        "--agents",
        "linear_q",
        *ON_TOY[:-4],
        "--frames",
        "1M",
        "--seeds",
        "1",
        "--runs",
        str(tmp_path / "runs"),
    ]
    done = bench(*command, "--time-limit", "4s")
    assert done.returncode == 3, done.stdout + done.stderr
    (run,) = reader.runs(tmp_path / "runs")[0]
    assert run.status == "interrupted"
    assert run.record.counters["frames"] > 0


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_and_twice_is_130_and_loses_nothing(tmp_path, plan_run, times):
    """The first asks the children to checkpoint; the second ends them at once. Both go on from the last checkpoint."""
    store = tmp_path / "runs"
    arguments = ["run", "--agents", "linear_q", *ON_TOY[:-4], "--frames", "1M", "--seeds", "1", "--runs", str(store)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2] / ".link"),
        "BENCH_CHECKPOINT_TICKS": "500",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.time() + 60
    while not list(store.glob("toy/reach/*/*/checkpoints/0*/manifest.json")):
        assert time.time() < deadline
        time.sleep(0.1)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    (run,) = reader.runs(store)[0]
    assert run.status == "interrupted"
    assert run.record.counters["tick"] > 0


def test_two_runners_share_one_store(tmp_path):
    store = tmp_path / "runs"
    arguments = ["run", "--agents", "linear_q", *ON_TOY, "--seeds", "3", "--runs", str(store), "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / ".link")}
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "bench", *arguments], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    runs, _ = reader.runs(store)
    assert [run.status for run in runs] == ["finished"] * 3
    assert all(len(run.record.sessions) == 1 for run in runs), "no run was trained twice"


def test_without_the_reports_packages_a_run_still_ends_well(bench, tmp_path):
    """A machine without matplotlib: the import fails there, as it does where it is not installed."""
    block = tmp_path / "block"
    block.mkdir()
    absent = "import sys\nfor name in ('matplotlib', 'rliable', 'pandas'):\n    sys.modules[name] = None\n"
    (block / "sitecustomize.py").write_text(absent)
    store = tmp_path / "runs"
    paths = str(block) + os.pathsep + str(Path(__file__).parents[2] / ".link")
    done = bench("run", "--agents", "random", *ON_TOY, "--seeds", "1", "--runs", str(store), PYTHONPATH=paths)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bench report" in done.stdout
    assert [run.status for run in reader.runs(store)[0]] == ["finished"]
