"""How large an agent is: its parameters as a run's telemetry has them, its FLOPs per update as measured elsewhere."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from bench import results
from bench.results import table
from bench.results.reader import Run

MEASURED = Path(results.__file__).parent / "measured" / "throughput.csv"


def parameters(run: Run) -> int | None:
    """Trainable parameters, None where the run does not say or the agent has none."""
    path = run.path / "telemetry.jsonl"
    if not path.exists():
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        first = file.readline()  # every session begins with a row "start", and they all say the same
    try:
        size = json.loads(first).get("parameters")
    except (ValueError, AttributeError):
        return None  # a killed process left half a row
    return size if isinstance(size, int) else None


def flops_per_update(label: str, scale: str, tasks: Collection[str]) -> float | None:
    """FLOPs of the matrix products in one update of this agent at this scale on one of these tasks, else on a task of
    the same protocol; None where `bench throughput` measured none."""
    protocols = {task.partition("/")[0] for task in tasks}
    found = [
        (row["task"] not in tasks, row["task"], float(row["value"]))
        for row in table.read(MEASURED)
        if (row["agent"], row["scale"], row["quantity"]) == (label, scale, "FLOPs")
        and row["task"].partition("/")[0] in protocols
    ]
    return min(found)[2] if found else None
