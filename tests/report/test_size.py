"""The largest page that is promised: 10 agents x 26 tasks x 5 seeds x 100 evaluation points."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.benchmarks.suites import atari100k
from bench.results.schema import At, Budget, Episode, Evaluation, Identity, Runtime
from bench.results.store import EventLog, RunFolder

AGENTS, SEEDS, POINTS = 10, 5, 100
FRAMES = 400_000


def fabricate(root: Path) -> None:
    """Scores that rise from the random policy's to a level of their own, written by the store's own writer."""
    suite, noise = atari100k.suite, np.random.default_rng(0)
    for agent in range(AGENTS):
        for task in suite.tasks:
            low, high = suite.references[task]
            skill = noise.gamma(1.2) * (0.3 + 0.1 * agent)
            for seed in range(SEEDS):
                identity = Identity(
                    {"name": "atari", "version": 1}, task, f"agent_{agent}", "", "paper", {"rate": 1e-4}, {}, seed
                )
                budget = Budget(FRAMES, FRAMES // POINTS, 10, 100)
                folder = RunFolder.create(root, identity, Runtime(budget, suite.name))
                record = folder.record
                record.status, record.pinned = "finished", {"threads": 1, "device": "a GPU"}
                record.counters = {"tick": FRAMES // 2, "frames": FRAMES, "updates": FRAMES // 4, "episodes": POINTS}
                times = {"start": "2026-01-01T00:00:00+00:00", "end": f"2026-01-01T{1 + agent:02d}:00:00+00:00"}
                record.sessions = [{"command": "bench run", "commit": "0" * 40, "dirty": False, **times}]
                folder.save()
                log = EventLog(folder.path / "events.jsonl")
                for k, wobble in enumerate(noise.normal(size=(POINTS, 11)), 1):
                    frames = k * budget.every
                    at = At(frames // 2, frames // 4, frames, frames // 4)
                    returns = low + (high - low) * skill * k / POINTS * (1 + 0.1 * wobble)
                    log.append(Episode(at, k, k, float(returns[0]), 500, "terminated"))
                    log.append(Evaluation(at, "evaluate", returns[1:].tolist(), [500] * 10, list(range(10))))
                log.push()
                log.close()


@pytest.mark.slow
def test_the_largest_page(tmp_path: Path):
    """Under 20 s of the processor (the clock's on an idle machine), 1 GB and 6 MB, by the command a user types."""
    fabricate(tmp_path / "runs")
    command = [sys.executable, "-m", "bench", "report", "--suite", "atari100k", "--runs", str(tmp_path / "runs")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command + ["--out", str(tmp_path / "page.html")], check=True, env=dict(os.environ))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = (tmp_path / "page.html").stat().st_size
    print(f"{seconds:.1f} s, {after.ru_maxrss / 1e6:.2f} GB, {size / 1e6:.2f} MB")
    assert seconds < 20
    assert after.ru_maxrss < 1_000_000  # KB
    assert size < 6_000_000
