"""Keep what finished runs measured: results/measured/curves.csv, one row per evaluation, and dream_gap.csv, one per run
whose controllers were rated in dreams and in the task.

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
from bench.results.schema import Evaluation, Metrics, parse_event

MEASURED = Path(__file__).resolve().parents[1] / "results" / "measured"
OUT, GAPS = MEASURED / "curves.csv", MEASURED / "dream_gap.csv"
KEY = ("agent", "task", "scale", "seed")
GAP = ("dream_return_of_the_mean", "gap_candidates", "dream_return", "real_return", "rank_correlation")


def rows(run: Run) -> list[dict[str, str]]:
    """One row per evaluation of a run: mean and standard deviation of its returns, raw and undiscounted."""
    return [
        {
            **_key(run),
            "frames": str(event.at.frames),
            "updates": str(event.at.updates),
            **_played(event),
            **_made(run),
        }
        for event in run.events()
        if isinstance(event, Evaluation) and event.mode == "evaluate"
    ]


def gap(run: Run) -> dict[str, str] | None:
    """What the last population was worth in dreams and in the task, and what the reported agent is in the task, by the
    newest of the run's evaluations. None where that was not rated."""
    more = run.path / "evaluations.jsonl"
    later = map(parse_event, more.read_text().splitlines()) if more.exists() else ()
    events = [*run.events(), *later]
    rated = [event.values for event in events if isinstance(event, Metrics) and "dream_return" in event.values]
    if not rated:
        return None
    played = [event for event in events if isinstance(event, Evaluation) and event.mode == "evaluate"]
    values = {name: f"{rated[-1][name]:.5g}" if name in rated[-1] else "" for name in GAP}
    return {**_key(run), **values, **_played(played[-1]), **_made(run)}


def _key(run: Run) -> dict[str, str]:
    identity = run.record.identity
    return {"agent": identity.label, "task": identity.task, "scale": identity.scale, "seed": str(identity.seed)}


def _made(run: Run) -> dict[str, str]:
    last = run.record.sessions[-1]
    return {
        "digest": run.record.identity.digest,
        "seconds": "" if run.seconds is None else f"{run.seconds:.0f}",
        "date": datetime.fromisoformat(last["end"]).date().isoformat(),
        "command": _without_store(last["command"]),
        "hardware": last["hardware"]["device"],
    }


def _played(event: Evaluation) -> dict[str, str]:
    return {
        "episodes": str(len(event.returns)),
        "mean": f"{mean(event.returns):.5g}",
        "std": f"{stdev(event.returns):.5g}" if len(event.returns) > 1 else "",
    }


def _without_store(command: str) -> str:
    """A command without where its runs lay, which is nobody else's business."""
    words = shlex.split(command)
    if "--runs" in words:
        at = words.index("--runs")
        del words[at : at + 2]
    return shlex.join(words)


def record(runs: Path, path: Path = OUT, gaps: Path = GAPS) -> int:
    """Put the finished runs under `runs` on file; how many there were."""
    finished = [run for run in reader.runs(runs)[0] if run.record.status == "finished"]
    _file(path, [row for run in finished for row in rows(run)])
    _file(gaps, [row for run in finished if (row := gap(run))])
    return len(finished)


def _file(path: Path, fresh: list[dict[str, str]]) -> None:
    taken = {tuple(row[name] for name in KEY) for row in fresh}
    kept = [row for row in table.read(path) if tuple(row[name] for name in KEY) not in taken]
    lines = sorted([*kept, *fresh], key=lambda row: (*(row[name] for name in KEY), int(row.get("frames", 0))))
    if fresh:
        table.replace(path, lines)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("which runs? Type: python -m bench.benchmarks.record RUNS, the folder that `bench run --runs` names")
    print(f"{record(Path(sys.argv[1]))} finished runs are in {OUT} and {GAPS.name}")
