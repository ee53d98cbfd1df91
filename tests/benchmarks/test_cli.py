"""The command line: light to start, and every verb does what its help says on a real run."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from bench.results.schema import Budget, parse_event

from_child = """
import sys
sys.argv = ["bench", *{arguments!r}]
from bench.benchmarks.cli.main import main
try:
    main()
except SystemExit as end:
    code = end.code
print("\\n#", code, sorted(set(sys.modules) & {{"torch", "pandas", "matplotlib", "rliable", "ale_py", "mujoco"}}))
"""


def _heavy(arguments, environment) -> str:
    code = from_child.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout.rpartition("# ")[2].strip() or done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("list", "agents"),
        ("list", "suites"),
        ("list", "tasks"),
        ("plan", "--agents", "random,decqn", "--suite", "atari100k", "--device", "cpu"),
        ("plan", "--agents", "decqn", "--suite", "dmc", "--device", "cpu"),
    ],
)
def test_listing_and_planning_import_nothing_heavy(arguments, child_environment):
    assert _heavy(arguments, child_environment) in ("0 []", "None []")


def test_the_training_path_imports_no_report(plan_run, child_environment):
    run = plan_run("linear_q", "toy/reach", Budget(300, 300, 1, 1))
    assert _heavy(("run-one", str(run.path)), child_environment) == "0 []"


@pytest.mark.parametrize("arguments", [("--help",), ("list", "agents")])
def test_help_and_lists_take_under_half_a_second(bench, arguments):
    """Processor time of the child, so that a busy machine does not fail it; the best of three."""
    used = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert bench(*arguments).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(used) < 0.5, used


def test_plan_counts_runs_and_writes_nothing(bench, tmp_path):
    store = tmp_path / "runs"
    done = bench("plan", "--agents", "random", "--suite", "atari100k", "--runs", str(store), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "130 runs: 130 new" in done.stdout
    assert not store.exists()


def test_the_verbs_that_look_at_runs(bench, plan_run):
    run = plan_run("linear_q", "toy/reach", Budget(400, 200, 2, 3))
    assert run.go().returncode == 0
    before = run.events
    root = str(run.request.root)
    status = bench("status", "--runs", root)
    assert "1 finished" in status.stdout
    shown = bench("show", str(run.path))
    assert run.run.record.identity.digest in shown.stdout
    assert "over 3 episodes" in shown.stdout
    evaluated = bench("evaluate", str(run.path), "--episodes", "4")
    assert evaluated.returncode == 0, evaluated.stderr
    assert "over 4 episodes" in evaluated.stdout
    (line,) = (run.path / "evaluations.jsonl").read_text().splitlines()
    assert len(parse_event(line).returns) == 4
    page = bench("report", "--runs", root, "--suite", "toy")
    assert page.returncode == 0, page.stderr
    assert page.stdout.strip().endswith("toy.html")
    cleaned = bench("clean", "--runs", root, "--yes")
    assert cleaned.returncode == 0
    assert run.events == before
    assert json.loads((run.path / "run.json").read_text())["status"] == "finished"


def test_a_trained_agent_from_python_acts_as_it_did(plan_run):
    import bench

    run = plan_run("linear_q", "toy/reach", Budget(400, 200, 2, 3))
    assert run.go().returncode == 0
    agent = bench.load_agent(run.path)
    assert agent.updates == run.run.record.counters["updates"] > 0


def test_run_continues_failed_runs_and_rerun_keeps_the_old_folder(bench, tmp_path):
    store = tmp_path / "runs"
    command = ["run", "--agents", "random", "--suite", "toy", "--tasks", "reach", "--scale", "tiny", "--frames", "500",
               "--seeds", "1", "--runs", str(store), "--device", "cpu"]  # fmt: skip
    failed = bench(*command, fault="loop.acted:250:memory", ticks=100)
    assert failed.returncode == 1
    assert "out_of_memory" in failed.stdout
    assert "out of memory on cpu with no other run beside it" in " ".join(failed.stdout.split())
    retried = bench(*command)
    assert "1 retry" in retried.stdout
    assert retried.returncode == 0, retried.stdout
    afresh = bench(*command, "--rerun", "all")
    assert "1 rerun" in afresh.stdout
    assert afresh.returncode == 0
    folders = sorted(path.name for path in (store / "toy/reach/random").iterdir())
    assert len(folders) == 2
    assert folders[0].startswith(".old-1-")
    longer = bench(*[part if part != "500" else "900" for part in command])
    assert "1 extend" in longer.stdout
    assert longer.returncode == 0
