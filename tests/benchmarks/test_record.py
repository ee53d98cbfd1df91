"""Curves of finished runs are kept as they were measured; and what they show is compared with what asks nothing."""

import signal
import subprocess
import sys
from pathlib import Path
from statistics import mean

import pytest

from bench.benchmarks import constant_scores, record
from bench.results import table
from bench.results.schema import Budget, Evaluation

MEASURED = record.OUT.parent


def test_every_evaluation_becomes_a_row_once(plan_run, tmp_path):
    run = plan_run("random", "toy/reach", Budget(1_000, 500, 2, 3))
    assert run.go(BENCH_COMMAND="bench run --agents random --runs somewhere/else --seeds 1").returncode == 0
    out = tmp_path / "curves.csv"
    for _ in range(2):
        assert record.record(run.path.parents[2], out, tmp_path / "gaps.csv") == 1
    rows = table.read(out)
    evaluations = [event for event in run.run.events() if isinstance(event, Evaluation)]
    assert [int(row["frames"]) for row in rows] == [500, 1000]
    assert [int(row["episodes"]) for row in rows] == [2, 3]
    for row, event in zip(rows, evaluations, strict=True):
        assert float(row["mean"]) == pytest.approx(mean(event.returns), rel=1e-4)
        assert row["command"] == "bench run --agents random --seeds 1"
        assert row["digest"] == run.run.record.identity.digest
        assert row["hardware"]
    assert not (tmp_path / "gaps.csv").exists()


def test_a_run_with_a_killed_session_is_recorded_without_its_time(plan_run, tmp_path):
    run = plan_run("random", "toy/reach", Budget(1_000, 500, 2, 3))
    assert run.go(fault="loop.observed:700").returncode == -signal.SIGKILL
    assert run.go().returncode == 0
    assert run.run.record.sessions[0]["end"] is None
    assert record.record(run.path.parents[2], tmp_path / "curves.csv", tmp_path / "gaps.csv") == 1
    assert {row["seconds"] for row in table.read(tmp_path / "curves.csv")} == {""}


def test_shipped_curves_are_whole():
    rows = table.read(record.OUT)
    keys = [(*(row[name] for name in record.KEY), int(row["frames"])) for row in rows]
    assert len(set(keys)) == len(keys)
    assert keys == sorted(keys)
    for row in rows:
        assert all(row[name] for name in ("mean", "episodes", "updates", "digest", "command", "hardware", "date"))
        assert "--runs" not in row["command"]


def test_shipped_gaps_are_whole():
    """Controllers of dreams played a hundred episodes of the task, at three temperatures each."""
    rows = table.read(record.GAPS)
    assert len({tuple(row[name] for name in record.KEY) for row in rows}) == len(rows)
    for row in rows:
        assert int(row["episodes"]) >= 100 and row["command"] and row["digest"] and row["hardware"]
        alike = row["rank_correlation"] == ""  # no ranks
        assert alike or -1 <= float(row["rank_correlation"]) <= 1
    for task in ("takecover/v1", "carracing/v3"):
        assert sum(row["task"] == task and "temperature=" in row["agent"] for row in rows) == 3


def final(agent: str, task: str) -> dict[str, float]:
    """The last evaluation's mean of every seed at scale small."""
    mine = [
        row for row in table.read(record.OUT) if (row["agent"], row["task"], row["scale"]) == (agent, task, "small")
    ]
    return {row["seed"]: float(row["mean"]) for row in sorted(mine, key=lambda row: int(row["frames"]))}


def test_dreamer_learns_walker_walk_from_states():
    task = "dmc-state/walker_walk"
    random = next(float(row["mean"]) for row in table.read(MEASURED / "random.csv") if row["task"] == task)
    constant = next(float(row["best"]) for row in table.read(MEASURED / "constant.csv") if row["task"] == task)
    scores = final("dreamer", task)
    assert len(scores) == 3
    assert min(scores.values()) > max(3 * random, constant)
    assert constant < 150  # of 100 constant actions the best


@pytest.mark.parametrize(("task", "seeds"), [("dmc-state/walker_walk", 1), ("dmc-state/ball_in_cup_catch", 3)])
@pytest.mark.parametrize("agent", ["tdmpc2", "dcmpc"])
def test_planners_learn_from_states(agent, task, seeds):
    scores = final(agent, task)
    assert len(scores) == seeds
    assert min(scores.values()) >= 800


def test_a_controller_evolved_on_the_road_drives():
    assert final("world_models", "carracing/v3")["0"] >= 500


def test_a_constant_action_is_repeated_over_whole_episodes():
    scores = constant_scores.play("toy/reach", actions=2, episodes=3)
    assert len(scores) == 2
    assert all(0 <= score <= 5 and len(action) == 2 for score, action in scores)
    with pytest.raises(ValueError, match="discrete"):
        constant_scores.play("toy/maze")


def test_the_way_to_type_it_is_said(child_environment):
    for arguments in ([], ["no/such/folder"]):
        done = subprocess.run(
            [sys.executable, "-m", "bench.benchmarks.record", *arguments],
            capture_output=True, text=True, env=child_environment, cwd=Path.cwd(),
        )  # fmt: skip
        assert done.returncode == 1
        assert "python -m bench.benchmarks.record RUNS" in done.stderr
