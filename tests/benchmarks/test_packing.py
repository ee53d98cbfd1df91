"""As many runs at once as fit; fewer after one ran out of memory; the same events as one after another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.benchmarks import executor, plan
from bench.benchmarks.errors import RequestError
from bench.benchmarks.packing import SHARE, Packing, Room, parse, room
from bench.benchmarks.run_one import OWNED
from bench.benchmarks.usage import Use
from bench.results import reader
from bench.results.lease import Lease
from bench.results.schema import Budget
from bench.tests.benchmarks.conftest import environment

GB = 1e9
SHORT = Budget(frames=300, every=200, episodes=2, final_episodes=2)


def planned(root, seeds: int, budget: Budget = SHORT, device: str = "cpu", agents: str = "linear_q"):
    request = plan.Request(agents, "toy", "reach", str(seeds), "tiny", root=root, device="cpu")
    return [replace(run, runtime=replace(run.runtime, budget=budget, device=device)) for run in plan.make(request).work]


def packing(runs, there: Room, use: Use | None = None, jobs: int | None = None) -> Packing:
    return Packing(jobs, {run.path: use for run in runs}, there)


def admitted(pack: Packing, runs) -> int:
    """How many an executor would start now."""
    live = []
    for run in runs:
        if pack.admits(run, live):
            live.append(run)
    return len(live)


def test_on_a_processor_cores_and_memory_decide(tmp_path):
    runs = planned(tmp_path, 6)
    for there, count in ((Room(100 * GB, {}, 4), 4), (Room(3.5 * GB / SHARE, {}, 4), 3), (Room(1.0, {}, 4), 1)):
        pack = packing(runs, there, Use(1 * GB, 0, 1))
        assert admitted(pack, runs) == pack.at_once(runs) == count
    pack = packing(runs, Room(10 * GB / SHARE, {}, 6), Use(1 * GB, 0, 1))
    pack.note(runs[0], Use(4 * GB, 0, 0.1))  # more than was forecast; and a tenth of a core is what was left for it
    assert admitted(pack, runs) == 2
    pack.note(runs[1], Use(1 * GB, 0, 1))
    assert admitted(pack, runs) == 2, "the largest one seen counts"


def test_what_nobody_can_forecast_goes_alone_until_it_has_learnt(tmp_path):
    runs = planned(tmp_path, 3)
    pack = packing(runs, Room(10 * GB, {}, 8))
    assert admitted(pack, runs) == 1
    pack.note(runs[0], Use(4 * GB, 0, 1))
    assert admitted(pack, runs) == 2


def test_on_a_card_the_first_run_is_measured_and_as_many_follow_as_fit(tmp_path):
    runs = planned(tmp_path, 12, device="cuda:0")
    pack = packing(runs, Room(1000 * GB, {"cuda:0": 16 * GB / SHARE}, 8), Use(1 * GB, 4 * GB, 1))
    assert admitted(pack, runs) == 1
    assert pack.at_once(runs) == 4, "as forecast"
    pack.note(runs[0], Use(1 * GB, 2 * GB, 0.5))
    assert admitted(pack, runs) == 8, "as measured"
    pack.note(runs[0], Use(1 * GB, 2 * GB, 2.0))
    assert admitted(pack, runs) == 4, "each keeps two cores busy"
    other = planned(tmp_path, 1, device="cuda:1")[0]
    there = Room(1000 * GB, {"cuda:0": 16 * GB, "cuda:1": 16 * GB}, 8)
    assert packing([*runs, other], there, Use(1 * GB, 4 * GB, 1)).admits(other, runs[:1])


def test_jobs_that_were_asked_for_are_not_doubted_until_memory_runs_out(tmp_path):
    runs = planned(tmp_path, 6)
    pack = packing(runs, Room(1.0, {}, 1), Use(1 * GB, 0, 1), jobs=4)
    assert admitted(pack, runs) == pack.at_once(runs) == 4
    assert pack.back_off(runs[0], 4) == (
        True,
        "out of memory with 4 runs at once on cpu: from here on at most 3",
    )
    assert pack.back_off(runs[1], 4) == (True, ""), "at about the same time: said once"
    assert admitted(pack, runs) == 3
    assert pack.back_off(runs[0], 2)[1].endswith("from here on at most 1")
    again, said = pack.back_off(runs[0], 1)
    assert not again
    assert "no other run beside it: linear_q on toy/reach" in said


@pytest.mark.parametrize(
    ("device", "there", "words"),
    [
        ("cpu", Room(1.5 * GB, {}, 2), "needs about 2.0 GB of memory, and this machine has 1.5 GB"),
        (
            "cuda:0",
            Room(9 * GB, {"cuda:0": 4 * GB}, 2),
            "needs about 5.0 GB of the memory of cuda:0, and it has 4.0 GB",
        ),
    ],
)
def test_a_machine_too_small_for_one_run_is_said_with_the_need(tmp_path, device, there, words):
    runs = planned(tmp_path, 1, device=device)
    with pytest.raises(RequestError, match=words):
        packing(runs, there, Use(2 * GB, 5 * GB * (device != "cpu"), 1)).refuse(runs)
    packing(runs, there, Use(2 * GB, 5 * GB, 1), jobs=1).refuse(runs)
    packing(runs, there, Use(1 * GB, 1 * GB, 1)).refuse(runs)


def test_jobs_as_typed():
    assert (parse("auto"), parse("3")) == (None, 3)
    for text in ("0", "-1", "many", "1.5", ""):
        with pytest.raises(RequestError, match="neither auto nor a number"):
            parse(text)


def carry_out(monkeypatch, root, runs, jobs, fault="", ticks=0) -> tuple[executor.Outcome, list[str], int]:
    """The executor on real processes: what came of them, what it said, and how many ran at once at most."""
    for name, value in environment(fault, ticks).items():
        monkeypatch.setenv(name, value)
    expected = {run.path: Use(100e6, 0, 1) for run in runs}
    said: list[str] = []
    local = executor.Local(root, Packing(jobs, expected, room(["cpu"])), None, "bench run", said.append)
    most = 0

    def watch(now: executor.Local) -> None:
        nonlocal most
        most = max(most, len(now.live()))

    return local.execute(runs, watch), said, most


def test_a_packed_sweep_gives_the_same_events_as_one_run_after_another(monkeypatch, tmp_path, plan_run):
    runs = planned(tmp_path / "runs", 8)
    outcome, said, most = carry_out(monkeypatch, tmp_path / "runs", runs, 8)
    assert (set(outcome.statuses.values()), said, most) == ({"finished"}, [], 8)
    for seed, run in enumerate(runs):
        alone = plan_run("linear_q", "toy/reach", SHORT, seed=seed)
        assert alone.here() == 0
        assert alone.run.record.identity == run.identity
        assert alone.events == (run.path / "events.jsonl").read_bytes()


def test_out_of_memory_leads_to_fewer_runs_that_go_on_from_their_checkpoints(monkeypatch, tmp_path, plan_run):
    """Every process runs out at its 250th decision, which a second one that goes on from the 200th does not reach."""
    runs = planned(tmp_path / "runs", 2)
    outcome, said, most = carry_out(monkeypatch, tmp_path / "runs", runs, 2, "loop.acted:250:memory", ticks=100)
    assert set(outcome.statuses.values()) == {"finished"}
    assert said == ["out of memory with 2 runs at once on cpu: from here on at most 1"]
    assert most == 2
    for seed, run in enumerate(runs):
        alone = plan_run("linear_q", "toy/reach", SHORT, seed=seed)
        alone.here()
        assert (run.path / "events.jsonl").read_bytes() == alone.events
        assert "out_of_memory: MemoryError" in (run.path / "log.txt").read_text()


def test_a_run_that_another_process_holds_for_a_moment_is_waited_for(tmp_path):
    """Another runner's look at the record comes between this one's and its child's: not a failure of the run."""
    (run,) = planned(tmp_path / "runs", 1)
    run = replace(run, action="rerun")  # which it is once: what was prepared already is not moved aside again
    local = executor.Local(tmp_path / "runs", packing([run], room(["cpu"])), None, "bench run")
    codes = []

    def watch(now: executor.Local) -> None:
        if now.live() and not codes:
            other = Lease(run.path)  # the child has only just been started
            (child,) = now._children
            codes.append(child.process.wait(timeout=60))
            other.release()

    outcome = local.execute([run], watch)
    assert codes == [OWNED]
    assert outcome.statuses == {run.path: "finished"}
    assert len(reader.load(run.path).record.sessions) == 1
    assert not list(run.path.parent.glob(".old-*"))
