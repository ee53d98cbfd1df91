"""How fast an agent runs on a task, by the real training loop with a stopwatch on its parts. Eager, one process."""

from __future__ import annotations

import contextlib
import csv
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.agents.api import Agent
from bench.benchmarks import provenance
from bench.benchmarks.trainer import Interrupted, Trainer
from bench.results import table
from bench.results.lease import Lease
from bench.results.schema import Budget, Identity, Runtime
from bench.results.store import RunFolder

COLUMNS = ("agent", "task", "scale", "device", "quantity", "value", "unit", "versions", "command")
MEASURED = Path(__file__).resolve().parents[1] / "results" / "measured" / "throughput.csv"


@dataclass(frozen=True)
class Row:
    quantity: str
    value: float
    unit: str


class _Stopwatch:
    """Time spent and calls made inside the methods it is put on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def on(self, owner: Any, method: str, part: str) -> None:
        inner: Callable[..., Any] = getattr(owner, method)
        self.seconds.setdefault(part, 0.0)
        self.calls.setdefault(part, 0)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = inner(*args, **kwargs)
            self.seconds[part] += time.perf_counter() - start
            self.calls[part] += 1
            return result

        setattr(owner, method, timed)


def measure(identity: Identity, device: str, seconds: float) -> list[Row]:
    """Train for `seconds` in a store of its own, without evaluations, and tell where the time went."""
    with tempfile.TemporaryDirectory() as store:
        runtime = Runtime(Budget(1 << 60, 1 << 60, 1, 1), "", device)
        folder = RunFolder.create(Path(store), identity, runtime)
        trainer = Trainer(folder, Lease(folder.path), say=print)
        act, learn = _Products(trainer.agent, trainer.policy, "act"), _Products(trainer.agent, trainer.agent, "learn")
        rows = _loop(trainer, seconds)
        if learn.flops:
            rate = matrix_rate(device)
            per_second = next(row.value for row in rows if row.quantity == "update") * learn.flops
            rows += [
                Row("FLOPs", learn.flops, "FLOP/update"),
                Row("matrix product", rate, "FLOP/s"),
                Row("fraction of matrix product", per_second / rate, ""),
            ]
        if act.flops:
            rows.append(Row("FLOPs of act", act.flops, "FLOP/decision"))
        for quantity, part in (("act", act), ("update", learn)):
            if part.flops:
                rate = next(row.value for row in rows if row.quantity == quantity)
                rows.append(Row(f"{quantity} / its products alone", 1 / rate / part.seconds(), "times"))
        return rows


def _loop(trainer: Trainer, seconds: float) -> list[Row]:
    watch = _Stopwatch()
    agent = trainer.agent
    timed = (
        (trainer.policy, "act", "act"),
        (trainer.envs, "step", "environment"),
        (trainer.envs, "reset", "reset"),
        (agent, "observe", "agent"),
        (agent, "learn", "learn"),
        (agent, "metrics", "agent"),
        (trainer, "checkpoint", "checkpoint"),
    )
    for owner, method, part in timed:
        watch.on(owner, method, part)
    start = time.perf_counter()
    until = start + seconds
    act = trainer.policy.act

    def act_until(*args: Any) -> Any:
        if time.perf_counter() > until:
            signal.raise_signal(signal.SIGTERM)  # the loop stops as it would for anybody
        return act(*args)

    setattr(trainer.policy, "act", act_until)  # noqa: B010 - a method put on one object
    with contextlib.suppress(Interrupted):  # the end that was asked for
        trainer.run()
    total = time.perf_counter() - start
    steps = watch.calls["act"] * trainer.envs.num_envs
    own = total - sum(watch.seconds.values())
    rows = [
        Row("end to end", steps / total, "agent steps/s"),
        Row("environment", steps / max(watch.seconds["environment"] + watch.seconds["reset"], 1e-9), "agent steps/s"),
        Row("act", watch.calls["act"] / max(watch.seconds["act"], 1e-9), "decisions/s"),
        Row("runner's own work", 1e3 * own / max(watch.calls["act"], 1), "ms/decision"),
        Row("checkpoint", 1e3 * watch.seconds["checkpoint"] / max(watch.calls["checkpoint"], 1), "ms"),
        Row("memory", _peak_memory() / 1e6, "MB"),
    ]
    if agent.updates:
        rows.insert(3, Row("update", agent.updates / watch.seconds["learn"], "updates/s"))
    return rows


def _peak_memory() -> float:
    """This process's peak resident memory in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform != "darwin" else 1)


class _Products:
    """The matrix products of one call of a method, as torch sees them, once training is under way."""

    def __init__(self, agent: Agent, owner: Any, method: str):
        self.flops = 0.0  # of a call; of `learn`, of an update
        self._agent, self._inner = agent, getattr(owner, method)
        self._found: Any = None
        setattr(owner, method, self._counted)

    def _counted(self, *args: Any) -> Any:
        before = self._agent.updates
        if self._found or before < 3 or "torch" not in sys.modules:
            return self._inner(*args)
        from bench.benchmarks.products import Products

        with Products() as products:
            result = self._inner(*args)
        if products.calls:
            self._found, self._units = products, max(self._agent.updates - before, 1)
            self.flops = products.flops / self._units
        return result

    def seconds(self) -> float:
        """What the products alone take: the median of nine replays."""
        times = []
        for _ in range(9):
            start = time.perf_counter()
            self._found.replay()
            times.append(time.perf_counter() - start)
        return statistics.median(times) / self._units


def matrix_rate(device: str, seconds: float = 2.0) -> float:
    """FLOP/s of float32 matrix products of 1024 x 1024 on this device, over about `seconds`."""
    size = 1024
    if device == "cpu":
        a = np.ones((size, size), np.float32)

        def multiply() -> None:
            a @ a
    else:
        import torch

        b = torch.ones(size, size, device=device)

        def multiply() -> None:
            for _ in range(100):
                b @ b
            torch.cuda.synchronize(device)

    multiply()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        multiply()
        count += 1 if device == "cpu" else 100
    return 2 * size**3 * count / (time.perf_counter() - start)


def append(rows: list[Row], identity: Identity, device: str, path: Path, command: str) -> None:
    """Add the rows to a table of throughputs, with hardware and versions."""
    versions = " ".join(f"{name}={version}" for name, version in provenance.versions().items())
    fresh = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(COLUMNS)
        for row in rows:
            kind = provenance.device_kind(device)
            value = f"{row.value:.4g}"
            writer.writerow(
                [identity.label, identity.task, identity.scale, kind, row.quantity, value, row.unit, versions, command]
            )


def measured(path: Path = MEASURED) -> list[dict[str, str]]:
    """The rows of a table of throughputs, none where there is no table."""
    return table.read(path)
