"""Measured speeds, results/measured/throughput.csv, as tables and as a figure. Rows are what the file holds: text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from bench.report.grid import Cell, Grid
from bench.report.look import MARKERS, PALETTE, Panel

Measured = Mapping[str, str]
Key = tuple[str, str, str, str]

COLUMNS = {  # quantity -> what heads its column
    "end to end": "end to end, steps/s",
    "environment": "environment, steps/s",
    "act": "act, decisions/s",
    "plan": "plan, decisions/s",
    "update": "updates/s",
    "imagination": "dreamt decisions/s",
    "runner's own work": "runner, ms/decision",
    "memory": "memory, MB",
    "FLOPs": "FLOP/update",
    "fraction of matrix product": "of the matrix rate",
}
DRAWN = ("end to end", "act", "update", "imagination")
_PACKED = re.compile(r"(.+), (\d+) packed( with MPS|), (each|together)")
_NO_MPS = "packed with MPS: not available"
_STAGE = re.compile(r"(update|FLOPs|end to end): (.+)")


def tables(rows: Sequence[Measured]) -> list[Grid]:
    """One run alone, a line for each stage of a family that has several; then packed runs, where any were measured."""
    alone: dict[tuple[Key, str], dict[str, float]] = {}
    packed: dict[tuple[Key, str], dict[str, float]] = {}
    for row in rows:
        value = float(row["value"])
        if found := _PACKED.fullmatch(row["quantity"]):
            quantity, count, how, kind = found.groups()
            packed.setdefault((_key(row), f"{int(count):>3}{how}"), {})[f"{quantity}, {kind}"] = value
            continue
        stage = _STAGE.fullmatch(row["quantity"])
        name, quantity = (stage[2], stage[1]) if stage else ("", row["quantity"])
        alone.setdefault((_key(row), name), {})[quantity] = value
    notes = tuple(sorted({f"{row['agent']}: {row['machine']}" for row in rows if row.get("machine")}))
    title = "throughput, one run alone; on a CPU one thread, in processor seconds where a machine is named below"
    grids = [_grid(title, "stage", alone, COLUMNS, notes)]
    if packed:
        names = list(dict.fromkeys(name for values in packed.values() for name in values))
        without = tuple(sorted({f"{row['agent']}: {_NO_MPS}" for row in rows if row["quantity"] == _NO_MPS}))
        columns = dict(zip(names, names, strict=True))
        grids.append(_grid("throughput, packed runs, by the clock", "at once", packed, columns, without))
    return grids


def _key(row: Measured) -> Key:
    return row["agent"], row["task"], row["scale"], row["device"]


def _grid(
    title: str,
    part: str,
    found: Mapping[tuple[Key, str], Mapping[str, float]],
    columns: Mapping[str, str],
    notes: tuple[str, ...] = (),
) -> Grid:
    used = {
        quantity: head for quantity, head in columns.items() if any(quantity in values for values in found.values())
    }
    lines: list[tuple[str | Cell, ...]] = [
        (*key, name.strip(), *(Cell(values.get(quantity)) for quantity in used))
        for (key, name), values in sorted(found.items())
        if any(quantity in values for quantity in used)
    ]
    return Grid(title, ("agent", "task", "scale", "device", part, *used.values()), tuple(lines), notes)


def panel(rows: Sequence[Measured]) -> Panel:
    """What was measured per second, on a logarithmic axis: a line for every agent, task, scale and device."""
    found: dict[Key, dict[str, float]] = {}
    for row in rows:
        if row["quantity"] in DRAWN:
            found.setdefault(_key(row), {})[row["quantity"]] = float(row["value"])
    keys = sorted(found)
    devices = {key[3] for key in keys}
    names = [" ".join(key[:3] if len(devices) == 1 else key) for key in keys]
    where = f", {keys[0][3]}" if len(devices) == 1 else ""

    def onto(axes: Axes) -> None:
        for number, quantity in enumerate(DRAWN):
            places = [place for place, key in enumerate(keys) if quantity in found[key]]
            rates = [found[keys[place]][quantity] for place in places]
            axes.plot(rates, places, ls="", marker=MARKERS[number], color=PALETTE[number], ms=5, label=quantity)
        axes.set_xscale("log")
        axes.set_ylim(len(keys) - 0.4, -0.6)
        axes.set_yticks(range(len(keys)), names)
        axes.set_xlabel("agent steps, decisions, updates, dreamt decisions per second")
        axes.legend(ncols=len(DRAWN), frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.0)

    alt = "Throughput: " + "; ".join(
        f"{name} " + ", ".join(f"{quantity} {value:.4g}/s" for quantity, value in found[key].items())
        for key, name in zip(keys, names, strict=True)
    )
    left = 0.3 + 0.07 * max(map(len, names), default=0)
    size = left + 4.4, 1.2 + 0.2 * max(3, len(keys))
    return Panel(f"throughput, one run alone{where}", onto, alt, size=size, left=left, below=0.75)
