"""Real runs in real child processes: plan one here, carry it out with `python -m bench run-one`, hurt it, look."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.benchmarks import executor, plan
from bench.benchmarks.run_one import run_one
from bench.results.reader import Run, load
from bench.results.schema import Budget

CHECKOUT = Path(__file__).resolve().parents[2]


def environment(fault: str = "", ticks: int = 0, **more: str) -> dict[str, str]:
    """The environment of a child: this checkout importable, one thread, a fault armed."""
    path = os.pathsep.join(filter(None, [str(CHECKOUT / ".link"), os.environ.get("PYTHONPATH", "")]))
    hurt = {"BENCH_FAULT": fault} if fault else {}
    return {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "BENCH_CHECKPOINT_TICKS": str(ticks),
        **hurt,
        **more,
    }


@dataclass
class Planned:
    """One run folder, and the command that carries it on."""

    path: Path
    request: plan.Request
    budget: Budget

    def go(self, fault: str = "", ticks: int = 200, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", "run-one", str(self.path)]
        return subprocess.run(
            command, env=environment(fault, ticks, **more), capture_output=True, text=True, timeout=600
        )

    def here(self, ticks: int = 200) -> int:
        """Carry it out in this process, which has torch already; the exit status."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        handlers = [signal.getsignal(number) for number in numbers]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BENCH_CHECKPOINT_TICKS", str(ticks))
            status = run_one(self.path)
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        return status

    def start(self, fault: str = "", ticks: int = 200, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bench", "run-one", str(self.path)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment(fault, ticks, **more), stdout=pipe, stderr=pipe, text=True)

    def extend(self, frames: int) -> None:
        """Ask for a longer run, as the same command with more --frames does."""
        self.budget = replace(self.budget, frames=frames)
        (run,) = plan.make(replace(self.request, frames=str(frames))).runs
        run = replace(run, runtime=replace(run.runtime, budget=self.budget))
        executor.prepare(run, self.request.root)

    @property
    def events(self) -> bytes:
        return (self.path / "events.jsonl").read_bytes()

    @property
    def run(self) -> Run:
        return load(self.path)


Make = Callable[..., Planned]


@pytest.fixture(scope="session")
def plan_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """plan_run(agent, task, Budget(...), seed, keep, sets) -> Planned, each in a store of its own."""

    def make(
        agent: str, task: str, budget: Budget, seed: int = 0, keep: bool = False, sets: Sequence[str] = ()
    ) -> Planned:
        root = tmp_path_factory.mktemp("store") / "runs"
        request = plan.Request(
            agent,
            tasks=task,
            seeds=f"{seed},",
            scale="tiny",
            frames=str(budget.frames),
            root=root,
            device="cpu",
            keep=keep,
            sets=sets,
        )
        (run,) = plan.make(request).runs
        run = replace(run, runtime=replace(run.runtime, budget=budget))
        executor.prepare(run, root)
        return Planned(run.path, request, budget)

    return make


@pytest.fixture
def bench() -> Callable[..., subprocess.CompletedProcess[str]]:
    """bench("run", ...) is the real command in a child process."""

    def call(*arguments: str, fault: str = "", ticks: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", *arguments]
        child = environment(fault, ticks, **more)
        return subprocess.run(command, env=child, capture_output=True, text=True, timeout=600)

    return call


@pytest.fixture
def child_environment() -> dict[str, str]:
    """What a child process of a test needs to import this checkout."""
    return environment()
