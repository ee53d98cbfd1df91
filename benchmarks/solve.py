"""Does it learn? Train agents on every toy they support and record what became of it.

    python -m bench.benchmarks.solve                        every agent on every toy at scale tiny (`make solve`)
    python -m bench.benchmarks.solve decqn                  one of them; the other rows stay
    python -m bench.benchmarks.solve dreamer toy/maze       one of them on one toy
    python -m bench.benchmarks.solve dreamer --scale small  with four times the decisions, where tiny did not suffice
    python -m bench.benchmarks.solve dreamer:infonce        one variant: without a name, agents alone are measured

Writes results/measured/solve.csv, one row per agent or variant, toy and scale. Every row carries a digest of the
sources it was measured with, or of later ones that gave the same events byte for byte; tests/test_solve_record.py fails
where those have changed since. `random` is the control.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from bench.agents import registry as agents
from bench.agents.api import Scale
from bench.benchmarks.provenance import device_kind
from bench.benchmarks.suites import toy
from bench.envs import registry as envs
from bench.envs import toys
from bench.results import reader, table
from bench.results.reader import Run
from bench.results.schema import Evaluation

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "results" / "measured" / "solve.csv"
STORE = ROOT / "build" / "solve"  # a store per agent and state of its sources: an interrupted measurement goes on
SEEDS = 3
SCALES: tuple[Scale, ...] = ("tiny", "small")
ENOUGH = 0.8  # of the way from the random policy to the optimum, by every seed

Row = dict[str, str]
Key = tuple[str, str, str]  # agent[:variant], toy, scale


def pairs(labels: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(agent[:variant], toy) for every toy that it supports at scale tiny."""
    for label in labels:
        spec, _, diff = agents.parse(label)
        for task_id in toy.suite.tasks:
            task = envs.task(task_id)
            if spec.supports(task, agents.resolve(spec, task, "tiny", diff, {})) is None:
                yield label, task_id


def sources(name: str, task_id: str) -> str:
    """Digest of all that decides how `name` learns a toy: its folder, what it imports of agents/common, the toy.

    It is taken from what the files say to Python: comments, docstrings and layout leave it as it is.
    """
    module = importlib.util.find_spec(agents.get(name).cls.partition(":")[0])
    assert module is not None and module.origin is not None
    own = sorted(Path(module.origin).parent.rglob("*.py"))
    files = [*own, *_shared(own), *toy_files(task_id)]
    said = [(path.name, _said(ast.parse(path.read_bytes()))) for path in files]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


def toy_files(task_id: str) -> list[Path]:
    """Where a toy is written: its own file, and the one that has the rules of all."""
    return sorted(
        {Path(str(sys.modules[name].__file__)) for name in (type(envs.make(task_id)).__module__, toys.__name__)}
    )


def _shared(files: Iterable[Path]) -> list[Path]:
    """The modules of agents/common that the files import, and that those import."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_bytes())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench.agents.common"):
                # "from package import module" and "from module import name" look the same
                names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
                paths = [ROOT / f"{name.removeprefix('bench.').replace('.', '/')}.py" for name in names]
                for path in set(filter(Path.is_file, paths)) - found:
                    found.add(path)
                    waiting.append(path)
    return sorted(found)


def _said(node: Any) -> Any:
    """A syntax tree as JSON values, without docstrings and without what differs between Pythons: empty fields, and
    empty texts in f-strings."""
    match node:
        case ast.JoinedStr():
            return [_said(each) for each in node.values if not (isinstance(each, ast.Constant) and not each.value)]
        case ast.AST():
            said = {name: _said(value) for name, value in ast.iter_fields(node)}
            return [type(node).__name__, {name: value for name, value in said.items() if value not in (None, [])}]
        case list():
            return [_said(each) for each in node if not _is_text(each)]
        case None | str():
            return node
    return repr(node)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def measure(label: str, task_id: str, scale: Scale) -> Row:
    """Train `label` as `bench run` does, one run at a time, and say how far each seed came. CalledProcessError where a
    run did not finish, RuntimeError where the sources did not stay as they were."""
    command = ["run", "--agents", label, "--suite", "toy", "--tasks", task_id, "--scale", scale, "--seeds", str(SEEDS)]
    command += ["--device", "cpu", "--jobs", "1"]
    spec, variant, _ = agents.parse(label)
    name = spec.name
    digest = sources(name, task_id)
    root = STORE / f"{name}-{digest}"
    subprocess.run([sys.executable, "-m", "bench", *command, "--runs", root], check=True)
    if sources(name, task_id) != digest:  # every run starts a process of its own, which reads the sources anew
        raise RuntimeError(f"the sources of {name} changed while it was measured; type the same command again")
    wanted = name, variant, task_id, scale
    runs = sorted((run for run in reader.runs(root)[0] if _of(run) == wanted), key=lambda run: run.record.identity.seed)
    scores = [_score(run) for run in runs]
    random, optimum = toy.suite.references[task_id]
    ways = [(score - random) / (optimum - random) for score in scores]
    return {
        "agent": name,
        "variant": variant,
        "toy": task_id,
        "scale": scale,
        "seeds": " ".join(str(run.record.identity.seed) for run in runs),
        "scores": " ".join(f"{score:.3f}" for score in scores),
        "way": " ".join(f"{way:.3f}" for way in ways),
        "solved": "yes" if min(ways) >= ENOUGH else "no",
        "frames": str(runs[0].record.counters["frames"]),
        "seconds": " ".join("?" if run.seconds is None else f"{run.seconds:.0f}" for run in runs),
        "command": shlex.join(["bench", *command]),
        "date": datetime.now(UTC).date().isoformat(),
        "sources": digest,
        "hardware": device_kind("cpu"),
    }


def _of(run: Run) -> tuple[str, str, str, str]:
    identity = run.record.identity
    return identity.agent, identity.variant, identity.task, identity.scale


def _score(run: Run) -> float:
    """Mean return of the last evaluation."""
    return mean([event for event in run.events() if isinstance(event, Evaluation)][-1].returns)


def recorded(path: Path = OUT) -> dict[Key, Row]:
    """The rows on file; none where there is no file."""
    return {_key(row): row for row in table.read(path)}


def _key(row: Row) -> Key:
    return ":".join(filter(None, (row["agent"], row["variant"]))), row["toy"], row["scale"]


def record(row: Row, path: Path = OUT) -> None:
    """Put one row in its place."""
    rows = {**recorded(path), _key(row): row}
    table.replace(path, [rows[key] for key in sorted(rows)])


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("agent", nargs="?")
    parser.add_argument("toy", nargs="?")
    parser.add_argument("--scale", choices=SCALES, default=SCALES[0])
    asked = parser.parse_args(argv)
    if asked.agent and asked.agent.endswith((".yaml", ".yml")):
        parser.error(f"{asked.agent} is a file of yours: what is recorded is an agent or a variant that it ships")
    try:
        wanted = list(pairs([agents.canonical(asked.agent)] if asked.agent else sorted(agents.BUILTIN)))
        chosen = [envs.resolve(asked.toy, toy.suite.tasks)] if asked.toy else toy.suite.tasks
    except (agents.UnknownAgent, envs.UnknownTask) as error:
        parser.error(str(error))
    wanted = [(label, task_id) for label, task_id in wanted if task_id in chosen]
    if not wanted:
        parser.error(f"{asked.agent} does not support {asked.toy}")
    for label, task_id in wanted:
        row = measure(label, task_id, asked.scale)
        record(row)
        print(f"{label} on {task_id}: {row['way']} of the way, {'solved' if row['solved'] == 'yes' else 'not solved'}")


if __name__ == "__main__":
    main(sys.argv[1:])
