"""The whole store as one pandas frame, for notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results.reader import runs as read_runs
from bench.results.schema import Episode, Evaluation

if TYPE_CHECKING:
    import pandas

COLUMNS = {
    "task": "str",
    "agent": "str",  # agent[:variant]
    "scale": "str",
    "protocol": "str",  # name/version
    "seed": "int64",  # of the run
    "digest": "str",  # of the run's identity
    "status": "str",
    "kind": "str",  # "training" or "evaluation"
    "mode": "str",  # an evaluation's mode, "" for training
    "agent_steps": "int64",  # decisions of the run so far
    "frames": "int64",  # simulator steps of the run so far
    "updates": "int64",  # optimiser steps of the run so far
    "episode": "int64",  # its number in the run, or within the evaluation
    "episode_seed": "int64",
    "return": "float64",  # raw, undiscounted
    "length": "int64",  # decisions
    "end": "str",  # of a training episode: terminated, truncated, cut, stopped; "" for evaluation
}


def load(runs: str | Path = "runs") -> pandas.DataFrame:
    """One row per finished episode, training and evaluation alike; the columns and units are those of `COLUMNS`.

    A run without episodes has no row. FileNotFoundError where there is no such folder, ValueError naming what cannot be
    read.
    """
    import pandas

    root = Path(runs)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder of runs; `bench run` writes one, --runs names it")
    found, problems = read_runs(root)
    if problems:
        listed = "; ".join(f"{problem.path}: {problem.reason}" for problem in problems)
        raise ValueError(f"{len(problems)} run folders cannot be read: {listed}")
    rows: list[dict[str, Any]] = []
    for run in found:
        identity = run.record.identity
        about = {
            "task": identity.task,
            "agent": identity.label,
            "scale": identity.scale,
            "protocol": f"{identity.protocol['name']}/{identity.protocol['version']}",
            "seed": identity.seed,
            "digest": identity.digest,
            "status": run.status,
        }
        episodes: list[tuple[int, int, float, int, str]]
        for event in run.events():
            if isinstance(event, Episode):
                episodes = [(event.episode, event.seed, event.ret, event.length, event.end)]
                kind, mode = "training", ""
            elif isinstance(event, Evaluation):
                numbered = enumerate(zip(event.seeds, event.returns, event.lengths, strict=True))
                episodes = [(number, seed, ret, length, "") for number, (seed, ret, length) in numbered]
                kind, mode = "evaluation", event.mode
            else:
                continue
            at = {"agent_steps": event.at.agent_steps, "frames": event.at.frames, "updates": event.at.updates}
            for number, seed, ret, length, end in episodes:
                one = {"episode": number, "episode_seed": seed, "return": ret, "length": length, "end": end}
                rows.append({**about, "kind": kind, "mode": mode, **at, **one})
    return pandas.DataFrame(rows, columns=list(COLUMNS)).astype({k: v for k, v in COLUMNS.items() if v != "str"})
