"""Nothing measured is lost: runs are killed at every named place, started again by the same command, and compared."""

from __future__ import annotations

import io
import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.benchmarks import executor, plan
from bench.benchmarks.live import Watch
from bench.benchmarks.run_one import OWNED
from bench.results import checkpoints, faults
from bench.results.schema import Budget, Evaluation, Metrics

TOY = Budget(frames=1_000, every=400, episodes=3, final_episodes=4)


@pytest.fixture(scope="module")
def undisturbed(plan_run):
    """A numpy learner on a toy, never hurt."""
    run = plan_run("linear_q", "toy/reach", TOY)
    done = run.go()
    assert done.returncode == 0, done.stderr
    assert run.run.status == "finished"
    return run


@pytest.mark.parametrize("point", [p for p in faults.POINTS if p != "report.write"])
def test_killed_at_every_fault_point_the_same_command_gives_the_same_events(plan_run, undisturbed, point):
    run = plan_run("linear_q", "toy/reach", TOY)
    later = {"run.finished": 1, "checkpoint.file": 13, "loop.evaluate": 60}.get(point, 300 if "loop" in point else 3)
    hurt = run.go(fault=f"{point}:{later}")
    assert hurt.returncode == -signal.SIGKILL, (hurt.returncode, hurt.stderr)
    assert run.run.status == "interrupted"
    assert checkpoints.candidates(run.path)[0], "the kill came before the first checkpoint and proves no resume"
    done = run.go()
    assert done.returncode == 0, done.stderr
    assert run.events == undisturbed.events
    assert run.run.record.exactness == "exact"


def test_ten_kills_in_one_run_give_the_same_events(plan_run, undisturbed):
    run = plan_run("linear_q", "toy/reach", TOY)
    kills = (
        *(
            "checkpoint.done:1",
            "checkpoint.file:1",
            "loop.observed:120",
            "checkpoint.manifest:2",
            "checkpoint.rename:2",
        ),
        *("loop.observed:111", "checkpoint.file:6", "events.half_line:2", "checkpoint.done:2", "loop.acted:90"),
    )
    for kill in kills:
        assert run.go(fault=kill, ticks=70).returncode == -signal.SIGKILL
        assert checkpoints.candidates(run.path)[0]
    assert run.go().returncode == 0
    assert run.events == undisturbed.events


CROWDED = {
    "three environments": ("linear_q", "toy/maze", Budget(1_200, 600, 2, 2), ["linear_q.collection.envs=3"]),
    "lost lives": ("random", "atari/breakout", Budget(4_000, 2_000, 1, 1), ["random.collection.life_loss_ends=true"]),
}


@pytest.mark.parametrize("case", CROWDED)
def test_open_episodes_are_played_again_to_where_they_stood(plan_run, case):
    agent, task, budget, sets = CROWDED[case]
    reference = plan_run(agent, task, budget, sets=sets)
    assert reference.here(ticks=90) == 0
    run = plan_run(agent, task, budget, sets=sets)
    for kill in ("loop.observed:137", "checkpoint.rename:1", "loop.acted:100"):
        assert run.go(fault=kill, ticks=90).returncode == -signal.SIGKILL
    assert run.go(ticks=90).returncode == 0
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"


def test_with_and_without_evaluation_training_is_equal(plan_run, undisturbed):
    run = plan_run("linear_q", "toy/reach", Budget(TOY.frames, TOY.frames, 1, 1))
    assert run.go().returncode == 0

    def training(data: bytes) -> list[bytes]:
        return [line for line in data.splitlines() if b'"event":"evaluation"' not in line]

    assert training(run.events) == training(undisturbed.events)
    assert len(training(run.events)) < len(undisturbed.events.splitlines())


def test_a_run_extended_to_twice_its_length_equals_one_of_that_length(plan_run):
    long = Budget(1_600, 400, 3, 4)
    reference = plan_run("linear_q", "toy/reach", long)
    assert reference.go().returncode == 0
    run = plan_run("linear_q", "toy/reach", Budget(800, 400, 3, 4), keep=True)
    assert run.go().returncode == 0
    rows = list(run.run.events())
    assert [row.at.frames for row in rows if isinstance(row, Evaluation)] == [400, 800]
    assert [(type(row), row.at.frames) for row in rows[-2:]] == [(Metrics, 800), (Evaluation, 800)]  # 800 of 1000 ticks
    run.extend(1_600)
    assert run.go().returncode == 0
    assert run.events == reference.events


def test_other_checkpoint_times_give_the_same_events(plan_run, undisturbed):
    run = plan_run("linear_q", "toy/reach", TOY)
    assert run.go(ticks=77).returncode == 0
    assert run.events == undisturbed.events


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_checkpoints_and_ends_in_order(plan_run, undisturbed, number):
    run = plan_run("linear_q", "toy/reach", TOY)
    action = {signal.SIGINT: "int", signal.SIGTERM: "term"}[number]
    stopped = run.go(fault=f"loop.observed:300:{action}")
    assert stopped.returncode == 3, stopped.stderr
    assert run.run.record.status == "interrupted"
    newest = checkpoints.candidates(run.path)[0][0]
    assert newest.manifest["counters"]["agent_steps"] == 300
    assert run.go().returncode == 0
    assert run.events == undisturbed.events


def test_a_full_disk_during_a_checkpoint_keeps_the_earlier_one(plan_run, undisturbed):
    run = plan_run("linear_q", "toy/reach", TOY)
    full = run.go(fault="checkpoint.file:6:full")
    assert full.returncode == 1
    assert run.run.record.status == "failed"
    assert "disk is full" in run.run.record.reason
    assert checkpoints.candidates(run.path)[0]
    assert run.go().returncode == 0
    assert run.events == undisturbed.events


def test_a_full_disk_inside_an_event_line_leaves_whole_lines(plan_run, undisturbed):
    run = plan_run("linear_q", "toy/reach", TOY)
    assert run.go(fault="events.half_line:2:full").returncode == 1
    for line in run.events.splitlines():
        json.loads(line)
    assert run.go().returncode == 0
    assert run.events == undisturbed.events


def test_out_of_memory_is_a_status_and_the_run_goes_on(plan_run, undisturbed):
    run = plan_run("linear_q", "toy/reach", TOY)
    assert run.go(fault="loop.acted:500:memory").returncode == 1
    assert run.run.record.status == "out_of_memory"
    assert run.go().returncode == 0
    assert run.events == undisturbed.events


def _damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "truncated":
            path.write_bytes(data[: len(data) // 2])
        case "flipped":
            path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "missing"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(plan_run, undisturbed, how):
    run = plan_run("linear_q", "toy/reach", TOY)
    assert run.go(fault="loop.observed:490").returncode == -signal.SIGKILL
    newest, before = (c.path for c in checkpoints.candidates(run.path)[0])
    _damage(newest / "agent.tree", how)
    done = run.go()
    assert done.returncode == 0, done.stderr
    assert f"not used: checkpoint {newest.name}" in done.stderr
    assert f"from {int(before.name)}" in done.stderr
    assert run.events == undisturbed.events


def test_two_runners_of_one_run_only_the_first_goes_on(plan_run, undisturbed):
    run = plan_run("linear_q", "toy/reach", TOY)
    first = run.start(fault="loop.observed:300:hang")
    deadline = time.time() + 30
    while not (run.path / "lease.json").exists():
        assert time.time() < deadline, first.communicate()
        time.sleep(0.02)
    second = run.go()
    assert second.returncode == OWNED
    assert "is being run by process" in second.stderr
    first.kill()
    first.communicate()
    assert run.go().returncode == 0
    assert run.events == undisturbed.events


def test_an_owner_that_lost_its_lease_writes_nothing_more(plan_run):
    run = plan_run("linear_q", "toy/reach", Budget(50_000_000, 50_000_000, 1, 1))
    first = run.start()
    deadline = time.time() + 30
    while not checkpoints.candidates(run.path)[0]:
        assert time.time() < deadline, first.communicate()
        time.sleep(0.02)
    lease = run.path / "lease.json"
    lease.write_text(json.dumps(json.loads(lease.read_text()) | {"owner": "somebody else"}))
    _, said = first.communicate(timeout=30)
    assert first.returncode == OWNED
    assert "went to another process" in said
    assert run.run.record.status == "running"  # the new owner's word, not ours
    assert json.loads(lease.read_text())["owner"] == "somebody else"


def test_an_extension_stopped_at_once_is_not_taken_for_finished(plan_run):
    run = plan_run("linear_q", "toy/reach", Budget(400, 200, 2, 2), keep=True)
    assert run.go().returncode == 0
    run.extend(800)
    assert run.run.status == "planned"
    assert run.go().returncode == 0
    assert run.run.record.counters["frames"] == 800


def test_another_evaluation_interval_loses_no_evaluation(plan_run):
    run = plan_run("random", "toy/reach", Budget(1_000, 100, 1, 1))
    assert run.go().returncode == 0
    run.budget = Budget(2_000, 200, 1, 1)
    run.extend(2_000)
    assert run.go().returncode == 0
    points = [event.at.frames for event in run.run.events() if isinstance(event, Evaluation)]
    assert points == [*range(100, 1_001, 100), *range(1_200, 2_001, 200)]


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "missing"])
def test_a_damaged_replay_starts_afresh_says_so_and_ends_equal(plan_run, undisturbed, how):
    run = plan_run("linear_q", "toy/reach", TOY)
    assert run.go(fault="loop.observed:490").returncode == -signal.SIGKILL
    _damage(next(run.path.glob("replay/0/0.*.bin")), how)
    done = run.go()
    assert done.returncode == 0, done.stderr
    assert "is damaged" in done.stderr or "this checkpoint needs" in done.stderr
    assert (
        f"ticks are trained again, from {400 if how == 'flipped' else 0}" in done.stderr
    )  # its end is not in the older
    assert run.events == undisturbed.events


def _typed(store: Path, frames: str) -> list[str]:
    return ["run", "--agents", "linear_q", "--suite", "toy", "--tasks", "reach", "--scale", "tiny", "--frames", frames,
            "--seeds", "1", "--runs", str(store), "--device", "cpu"]  # fmt: skip


def test_a_finished_run_that_cannot_be_extended_is_kept_beside(bench, tmp_path):
    assert bench(*_typed(tmp_path, "400"), "--keep", "all").returncode == 0
    (folder,) = (tmp_path / "toy/reach/linear_q").iterdir()
    before = (folder / "events.jsonl").read_bytes()
    for tree in folder.glob("checkpoints/*/agent.tree"):
        tree.write_bytes(b"")
    longer = bench(*_typed(tmp_path, "700"))
    assert longer.returncode == 0, longer.stdout
    assert "1 restart" in longer.stdout
    (beside,) = folder.parent.glob(".old-1-*")
    assert (beside / "events.jsonl").read_bytes() == before


def test_a_request_made_before_another_shell_finished_the_run_keeps_what_that_shell_measured(plan_run):
    """The second shell planned it as new, waited for the first, and finds it finished, shorter, without replay."""
    run = plan_run("linear_q", "toy/reach", Budget(400, 200, 2, 2))
    (waiting,) = plan.make(replace(run.request, frames="700")).runs
    assert waiting.action == "new"
    assert run.go().returncode == 0
    measured = run.events
    assert executor.prepare(waiting, run.request.root)
    (beside,) = run.path.parent.glob(".old-1-*")
    assert (beside / "events.jsonl").read_bytes() == measured
    assert run.run.status == "planned"
    assert not (run.path / "events.jsonl").exists()


def test_a_run_without_its_replay_restarts_when_it_is_to_be_longer(bench, tmp_path):
    assert bench(*_typed(tmp_path, "400")).returncode == 0
    longer = bench(*_typed(tmp_path, "700"))
    assert "1 restart" in longer.stdout
    assert longer.returncode == 0
    (folder,) = (tmp_path / "toy/reach/linear_q").glob("s0-*")
    assert not (folder / "replay").exists()
    assert json.loads((folder / "run.json").read_text())["counters"]["frames"] == 700


def test_a_damaged_checkpoint_is_said_by_the_command_itself(bench, tmp_path):
    assert bench(*_typed(tmp_path, "1500"), fault="loop.observed:990:memory", ticks=300).returncode == 1
    (folder,) = (tmp_path / "toy/reach/linear_q").iterdir()
    (checkpoints.candidates(folder)[0][0].path / "agent.tree").write_bytes(b"")
    again = bench(*_typed(tmp_path, "1500"))
    assert again.returncode == 0
    assert "are trained again, from" in again.stdout.replace("\n", " ")


def test_what_could_not_be_used_is_said_of_a_run_that_nobody_saw_running(plan_run):
    run = plan_run("linear_q", "toy/reach", TOY)
    assert run.go(fault="loop.observed:490").returncode == -signal.SIGKILL
    (checkpoints.candidates(run.path)[0][0].path / "agent.tree").write_bytes(b"")
    assert run.here() == 0
    said = io.StringIO()
    with Watch(Console(file=said, width=1000), [run]):
        pass
    assert "finished" in said.getvalue()
    assert "200 ticks are trained again, from 400" in said.getvalue()
