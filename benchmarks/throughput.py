"""How fast agents run here: measured in processes of their own, one alone or several packed on one device, and kept in
a table with hardware and versions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, cast

import numpy as np

from bench.benchmarks import mps, provenance
from bench.benchmarks.errors import RequestError
from bench.benchmarks.measuring import Row
from bench.results import table
from bench.results.schema import Identity

COLUMNS = ("agent", "task", "scale", "device", "quantity", "value", "unit", "machine", "versions", "command")
MEASURED = Path(__file__).resolve().parents[1] / "results" / "measured" / "throughput.csv"
QUIET = 0.2  # load above which other work is said to have been there
PACKED = ("end to end", "environment", "act", "plan", "update", "imagination", "memory")  # what packed runs are asked


def parse_packed(text: str) -> list[int]:
    """ "2,4" runs at once. RequestError for anything else."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdigit() and int(word) > 1 for word in words):
        raise RequestError(f"--packed {text!r} is no list of numbers from 2 on; type --packed 2,4")
    return [int(word) for word in words]


def measure(
    identity: Identity, device: str, seconds: float, packed: Sequence[int] = (), eager: bool = False
) -> list[Row]:
    """Rows of one run alone, then of so many at once, and for comparison of one timed as they are; on a GPU once more
    through MPS. eager: without CUDA graphs. RuntimeError where a process failed, with what it said."""
    (rows,) = _together(identity, device, seconds, 1, packed=False, eager=eager)
    if flops := next((row.value for row in rows if row.quantity == "learning"), None):
        rate = matrix_rate(device)
        rows += [Row("matrix product", rate, "FLOP/s"), Row("fraction of matrix product", flops / rate, "")]
    for count in [1, *packed] if packed else []:
        rows += _summed(_together(identity, device, seconds, count, packed=True, eager=eager))
    if packed and device != "cpu":
        rows += _with_mps(identity, device, seconds, packed, eager)
    return rows


def _with_mps(identity: Identity, device: str, seconds: float, packed: Sequence[int], eager: bool) -> list[Row]:
    rows: list[Row] = []
    with mps.daemon() as client:
        try:
            for count in packed if client else []:
                runs = _together(identity, device, seconds, count, packed=True, eager=eager, client=client)
                rows += _summed(runs, " with MPS")
        except RuntimeError as error:  # what was measured without it counts all the same
            warnings.warn(f"with MPS: {error}", stacklevel=2)
    return rows or [Row("packed with MPS: not available", 0.0, "")]


def _together(
    identity: Identity,
    device: str,
    seconds: float,
    count: int,
    packed: bool,
    eager: bool,
    client: Mapping[str, str] | None = None,
) -> list[list[Row]]:
    """The rows of every process, all of which start their clocks at the same moment. client: more for their
    environment."""
    asked = {
        "identity": asdict(identity), "device": device, "seconds": seconds, "packed": packed, "eager": eager,
    }  # fmt: skip
    request = json.dumps(asked) + "\n"
    command = [sys.executable, "-m", "bench.benchmarks.measuring"]
    pipe, environment = subprocess.PIPE, {**os.environ, **(client or {})}
    processes = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1, env=environment)
        for _ in range(count)
    ]
    try:
        for word in (request, "go\n"):
            for process in processes:
                with_input = cast(IO[str], process.stdin)
                with_input.write(word)
                with_input.flush()
            if word is request:
                for process in processes:
                    _read(process, "ready")
        return [[Row(*row) for row in json.loads(_read(process, "[["))] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _read(process: subprocess.Popen[str], begin: str) -> str:
    """The next line that begins so; what an agent prints itself is passed over."""
    for line in cast(IO[str], process.stdout):
        if line.startswith(begin):
            return line
    said = cast(IO[str], process.stderr).read().strip().splitlines()
    raise RuntimeError(f"the process that measures ended: {said[-1] if said else 'it said nothing'}")


def _summed(runs: list[list[Row]], how: str = "") -> list[Row]:
    """Of every quantity that all packed runs have their mean and their sum."""
    rows = []
    for place in [row for row in runs[0] if row.quantity.partition(":")[0] in PACKED]:
        found = [row.value for rows in runs for row in rows if row.quantity == place.quantity]
        if len(found) == len(runs):
            name = f"{place.quantity}, {len(runs)} packed{how}"
            rows.append(Row(f"{name}, each", float(np.mean(found)), place.unit))
            rows.append(Row(f"{name}, together", sum(found), place.unit))
    return rows


def matrix_rate(device: str, seconds: float = 2.0) -> float:
    """FLOP/s of float32 matrix products of 1024 x 1024 on this device, over about `seconds`; on a CPU of one core, in
    processor seconds."""
    size, clock = 1024, time.perf_counter
    if device == "cpu":
        a, clock = np.ones((size, size), np.float32), time.process_time

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
    start, begin, count = clock(), time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        multiply()
        count += 1 if device == "cpu" else 100
    return 2 * size**3 * count / (clock() - start)


def machine() -> str:
    """Whether other work goes on beside: the load of the last minute on this machine's cores."""
    load = os.getloadavg()[0]
    kind = "shared machine" if load > QUIET else "idle machine"
    return f"{kind}, load {load:.1f} on {provenance.cores()} cores"


def append(
    rows: list[Row], identity: Identity, device: str, beside: str, path: Path, command: str, eager: bool = False
) -> None:
    """Add the rows to a table of throughputs, with hardware and versions, in the place of all older ones of this agent,
    task, scale and kind of device. `beside` is what `machine` said before. eager: without graphs, which makes a GPU
    another kind."""
    kind = provenance.device_kind(device) + (", eager" if eager and device != "cpu" else "")
    versions = " ".join(f"{name}={version}" for name, version in provenance.versions().items())
    key = identity.label, identity.task, identity.scale, kind
    values = [(*key, row.quantity, f"{row.value:.4g}", row.unit, beside, versions, command) for row in rows]
    fresh = [dict(zip(COLUMNS, each, strict=True)) for each in values]
    old = [dict.fromkeys(COLUMNS, "") | row for row in table.read(path)]
    kept = [row for row in old if tuple(row[name] for name in COLUMNS[:4]) != key]
    table.replace(path, [*kept, *fresh])


def measured(path: Path = MEASURED) -> list[dict[str, str]]:
    """The rows of a table of throughputs, none where there is no table."""
    return table.read(path)
