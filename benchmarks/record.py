"""Keep the evaluation curves of finished runs: results/measured/curves.csv, one row per evaluation.

    python -m bench.benchmarks.record RUNS

Rows of the same agent, task, scale and seed are replaced; all others stay. A run folder may then be deleted.
"""

from __future__ import annotations

import shlex
import sys
from datetime import datetime
from pathlib import Path
from statistics import mean, stdev

from bench.results import reader, table
from bench.results.reader import Run
from bench.results.schema import Evaluation

OUT = Path(__file__).resolve().parents[1] / "results" / "measured" / "curves.csv"
KEY = ("agent", "task", "scale", "seed")


def rows(run: Run) -> list[dict[str, str]]:
    """One row per evaluation of a run: mean and standard deviation of its returns, raw and undiscounted."""
    identity, sessions = run.record.identity, run.record.sessions
    key = {"agent": identity.label, "task": identity.task, "scale": identity.scale, "seed": str(identity.seed)}
    made = {
        "digest": identity.digest,
        "seconds": "" if run.seconds is None else f"{run.seconds:.0f}",
        "date": datetime.fromisoformat(sessions[-1]["end"]).date().isoformat(),
        "command": _without_store(sessions[-1]["command"]),
        "hardware": sessions[-1]["hardware"]["device"],
    }
    return [
        {
            **key,
            "frames": str(event.at.frames),
            "updates": str(event.at.updates),
            "episodes": str(len(event.returns)),
            "mean": f"{mean(event.returns):.5g}",
            "std": f"{stdev(event.returns):.5g}" if len(event.returns) > 1 else "",
            **made,
        }
        for event in run.events()
        if isinstance(event, Evaluation) and event.mode == "evaluate"
    ]


def _without_store(command: str) -> str:
    """A command without where its runs lay, which is nobody else's business."""
    words = shlex.split(command)
    if "--runs" in words:
        at = words.index("--runs")
        del words[at : at + 2]
    return shlex.join(words)


def record(runs: Path, path: Path = OUT) -> int:
    """Put the finished runs under `runs` on file; how many there were."""
    finished = [run for run in reader.runs(runs)[0] if run.record.status == "finished"]
    fresh = [row for run in finished for row in rows(run)]
    taken = {tuple(row[name] for name in KEY) for row in fresh}
    kept = [row for row in table.read(path) if tuple(row[name] for name in KEY) not in taken]
    lines = sorted([*kept, *fresh], key=lambda row: (*(row[name] for name in KEY), int(row["frames"])))
    if lines:
        table.replace(path, lines)
    return len(finished)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("which runs? Type: python -m bench.benchmarks.record RUNS, the folder that `bench run --runs` names")
    print(f"{record(Path(sys.argv[1]))} finished runs are in {OUT}")
