"""A store for other tools: one row per episode as CSV or Parquet, or scalars for TensorBoard."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from bench.results.frame import load
from bench.results.reader import Run
from bench.results.reader import runs as read_runs
from bench.results.schema import Episode, Evaluation

Target = Literal["csv", "parquet", "tensorboard"]
TARGETS: tuple[str, ...] = get_args(Target)
_NEEDS = {"csv": "pandas", "parquet": "pyarrow", "tensorboard": "tensorboard"}


def lacking(target: Target) -> str | None:
    """The package that writing `target` needs and that cannot be imported here; None where nothing is missing."""
    return None if find_spec(_NEEDS[target]) else _NEEDS[target]


def export(runs: Path, target: Target, out: Path) -> Path:
    """Write the store to `out`, a file or, for TensorBoard, a folder of folders; what was written.

    Columns and units of the tables are those of `bench.results.load`. FileNotFoundError where there is no such store,
    ValueError naming what cannot be read of it.
    """
    if target == "tensorboard":
        return _tensorboard(runs, out)
    frame = load(runs)
    out.parent.mkdir(parents=True, exist_ok=True)
    if target == "csv":
        frame.to_csv(out, index=False)
    else:
        frame.to_parquet(out, engine="pyarrow", index=False)
    return out


def _tensorboard(runs: Path, out: Path) -> Path:
    """One folder per run: `training/return`, `evaluation/return` (its mean) and the agent's metrics over frames."""
    if not runs.is_dir():
        raise FileNotFoundError(f"{runs} is no folder of runs; `bench run` writes one, --runs names it")
    found, problems = read_runs(runs)
    if problems:
        raise ValueError(f"{problems[0].path}: {problems[0].reason}")
    for run in found:
        _scalars(run, out / run.path.relative_to(runs))
    return out


def _scalars(run: Run, folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for event in run.events():
            if isinstance(event, Episode):
                values = {"training/return": event.ret, "training/length": float(event.length)}
            elif isinstance(event, Evaluation):
                kind = "evaluation" if event.mode == "evaluate" else f"evaluation ({event.mode})"
                values = {f"{kind}/return": sum(event.returns) / len(event.returns)} if event.returns else {}
            else:
                values = {f"metrics/{name}": value for name, value in event.values.items()}
            for tag, value in values.items():
                writer.add_scalar(tag, value, event.at.frames)
