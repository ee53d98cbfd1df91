"""A small store written with the real schema: what the report must cope with, without training anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.results.schema import At, Budget, Episode, Evaluation, Identity, RunRecord, Runtime, Suite, event_line

Write = Callable[..., Path]


def write_run(
    root: Path,
    task: str = "toy/reach",
    agent: str = "learner",
    seed: int = 0,
    *,
    final: float = 1.0,
    start: float = 0.0,
    frames: int = 10_000,
    upto: int | None = None,
    variant: str = "",
    scale: str = "small",
    status: str = "finished",
    reason: str = "",
    suite: str = "toy",
    version: int = 1,
    config: dict[str, Any] | None = None,
    exactness: str = "exact",
    points: int = 10,
    evaluate: bool = True,
) -> Path:
    """A run whose evaluations go in a straight line from `start` to `final` at `frames`; it has got to `upto`."""
    protocol = {"name": task.split("/")[0], "version": version, "repeat": 2}
    identity = Identity(protocol, task, agent, variant, scale, config or {"rate": 0.1}, {"envs": 1}, seed)
    budget = Budget(frames, frames // points, 5, 5)
    reached = frames if upto is None else upto
    session = {
        "command": f"bench run --agents {agent} --suite {suite}",
        "commit": "0123456789abcdef",
        "dirty": False,
        "versions": {"numpy": "2.0"},
        "hardware": {"device": "cpu: a processor", "cores": 2, "system": "Linux"},
        "start": "2026-01-01T00:00:00",
        "end": "2026-01-01T01:00:00",
    }
    record = RunRecord(
        identity,
        Runtime(budget, suite),
        status=status,  # type: ignore[arg-type]
        reason=reason,
        counters={
            "tick": reached,
            "agent_steps": reached // 2,
            "frames": reached,
            "updates": reached // 4,
            "episodes": 100,
        },
        exactness=exactness,  # type: ignore[arg-type]
        pinned={"threads": 1},
        sessions=[session],
    )
    folder = root / identity.folder
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(record.to_json())
    noise = np.random.RandomState(seed)
    lines = []
    for number, at_frames in enumerate(range(frames // (4 * points), reached + 1, frames // (4 * points))):
        at = At(at_frames, at_frames // 2, at_frames, at_frames // 4)
        level = start + (final - start) * at_frames / frames
        lines.append(event_line(Episode(at, number, number, level, 50, "truncated")))
        if evaluate and at_frames % budget.every == 0:
            wobble = noise.normal(size=5) * 0.05 * abs(final)
            returns = [float(level + w) for w in wobble - wobble.mean()]
            lines.append(event_line(Evaluation(at, "evaluate", returns, [50] * 5, list(range(5)))))
    (folder / "events.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(task, agent, seed, ...)` adds a run to the store at tmp_path / "runs"."""
    (tmp_path / "runs").mkdir()

    def add(*args: Any, **kwargs: Any) -> Path:
        return write_run(tmp_path / "runs", *args, **kwargs)

    return add


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def suite_of(*tasks: str, **changes: Any) -> Suite:
    settings: dict[str, Any] = {
        "name": "toy",
        "measures": "whether anything learns",
        "source": "made for this test",
        "citation": "nobody 2026",
        "tasks": tasks or ("toy/reach", "toy/maze"),
        "budgets": {scale: Budget(10_000, 1_000, 5, 5) for scale in ("paper", "small", "tiny")},
        "references": {"toy/reach": (0.0, 2.0), "toy/maze": (10.0, 20.0)},
        "reference_names": ("random", "optimum"),
    }
    return Suite(**{**settings, **changes})


@pytest.fixture
def toy() -> Suite:
    return suite_of()


@pytest.fixture
def make_suite() -> Callable[..., Suite]:
    return suite_of


@pytest.fixture
def mixed(write: Write) -> Path:
    """Everything at once: good, diverged, failed, stopped and missing seeds, a two-seed agent, tiny rows."""
    for seed in range(4):
        write("toy/reach", "learner", seed, final=1.5 + 0.1 * seed)
        write("toy/reach", "random", seed, final=0.01 * seed)
    write("toy/maze", "learner", 0, final=18.0, start=10.0)
    write("toy/maze", "learner", 1, final=17.0, start=10.0)
    write("toy/maze", "learner", 2, upto=3_000, status="diverged", reason="loss became nan", start=10.0, final=11.0)
    write(
        "toy/maze",
        "learner",
        3,
        upto=5_000,
        status="failed",
        reason="OSError: no screen",
        start=10.0,
        final=15.0,
    )
    write("toy/maze", "random", 0, final=10.1, start=9.9)
    write("toy/maze", "random", 1, final=9.8, start=9.9)
    write("toy/maze", "learner", 0, variant="wide", final=19.0, upto=6_000, status="interrupted", start=10.0)
    write("toy/maze", "learner", 0, scale="tiny", final=10.5, start=10.0)
    return write("toy/reach", "learner", 0, scale="tiny", final=0.2, exactness="statistical").parents[3]
