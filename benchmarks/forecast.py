"""What a plan needs before it starts: hours, memory, disk, each with what the figure rests on.

Speeds come from runs of the same agent, protocol, scale and device kind in this store; else from measured throughput
rows of this device kind: end to end, or where stages differ too much for that, the agent's FLOPs over the rate that its
learning reached; else from its FLOPs over the rate of matrix products here, and are then marked as an estimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.agents import registry as agents
from bench.agents.api import Cost, Scale
from bench.agents.common.config import merge
from bench.benchmarks import throughput
from bench.benchmarks.packing import Packing, room
from bench.benchmarks.plan import WORK, Plan, Planned
from bench.benchmarks.provenance import device_kind
from bench.benchmarks.usage import Use
from bench.envs import registry as envs
from bench.results import reader
from bench.results.schema import Identity

EPISODE = 1000  # decisions that an evaluation episode is counted as at most, where nothing says how long they are
MATRIX = 0.3  # seconds of matrix products: the forecast stands between a command and its first step
EVENTS = 4_000_000  # bytes allowed per run for events, telemetry, log and record


@dataclass(frozen=True)
class Need:
    """One run's forecast. None: nothing is known that could tell."""

    hours: float | None
    memory: float | None  # bytes
    disk: float  # bytes while it runs
    basis: str  # "this store" | "measured" | "measured rates" | "estimate" | "unknown"
    card: float = 0  # bytes of the GPU, where it runs on one, without the replay, which stays out where it is full

    @property
    def use(self) -> Use | None:
        return None if self.memory is None else Use(self.memory, self.card, 1.0)


@dataclass(frozen=True)
class Forecast:
    needs: dict[Path, Need]
    packing: Packing
    jobs: int  # runs that are expected to be at it together

    @property
    def hours(self) -> float | None:
        """Of the whole plan with `jobs` runs at once; None where one run's is unknown."""
        hours = [need.hours for need in self.needs.values()]
        known = [h for h in hours if h is not None]
        if len(known) < len(hours):
            return None
        return max(sum(known) / self.jobs, max(known, default=0.0))

    def at_once(self, amounts: Sequence[float | None]) -> float | None:
        """The largest `jobs` amounts together; None where one is unknown."""
        known = [a for a in amounts if a is not None]
        return None if len(known) < len(amounts) else sum(sorted(known)[-self.jobs :])


def make(plan: Plan, jobs: int | None, root: Path) -> Forecast:
    """The needs of the runs that are still to be done, with so many at once; None: as many as fit."""
    speeds = _speeds_in_store(root)
    rates: dict[str, float] = {}
    cache: dict[tuple[str, ...], Need] = {}
    needs: dict[Path, Need] = {}
    for run in plan.work:
        key = (run.identity.label, run.identity.task, run.runtime.device, str(run.frames), run.action)
        if key not in cache:
            cache[key] = _need(run, speeds, rates)
        needs[run.path] = cache[key]
    there = room(run.runtime.device for run in plan.work)
    packing = Packing(jobs, {path: need.use for path, need in needs.items()}, there)
    return Forecast(needs, packing, packing.at_once(plan.work))


def _speeds_in_store(root: Path) -> dict[tuple[str, str, str, str], float]:
    """Agent steps per second, evaluations included, by (label, protocol, scale, device kind), from whole runs."""
    found: dict[tuple[str, str, str, str], float] = {}
    for run in reader.runs(root)[0]:
        record = run.record
        seconds = run.seconds if run.status == "finished" else None
        if seconds is not None and seconds >= 5:
            identity = record.identity
            key = identity.label, identity.protocol["name"], identity.scale, record.pinned["device"]
            found[key] = record.counters["agent_steps"] / seconds
    return found


def _need(run: Planned, speeds: dict[tuple[str, str, str, str], float], rates: dict[str, float]) -> Need:
    identity, budget = run.identity, run.runtime.budget
    task = envs.task(identity.task)
    kind = device_kind(run.runtime.device)
    done = run.frames if run.action in ("continue", "retry", "extend") else 0
    steps = max(budget.frames - done, 0) / task.action_repeat
    points = [point for point in budget.points() if point > done]
    episodes = len(points[:-1]) * budget.episodes + budget.final_episodes
    evaluation = episodes * min(task.episode_steps or EPISODE, EPISODE)
    spec = agents.get(identity.agent)
    cost: Cost | None = None
    if spec.cost is not None:
        default = spec.configure(task, _scale(identity.scale), {})
        cost = spec.cost(task, merge(default, {**identity.config, "collection": identity.collection}))
    total = budget.frames / task.action_repeat
    replay = cost.replay * min(total, cost.capacity) if cost else 0
    rows = _measured(identity, kind)
    held = 0 if cost and cost.mapped else replay
    memory = cost.memory + held if cost else rows["memory"] * 1e6 if "memory" in rows else None
    card = cost.memory if cost and run.runtime.device != "cpu" else 0

    def need(seconds: float | None, basis: str) -> Need:
        return Need(None if seconds is None else seconds / 3600, memory, EVENTS + replay, basis, card)

    speed = speeds.get((identity.label, identity.protocol["name"], identity.scale, kind))
    if speed:
        return need(steps / speed, "this store")
    if "act" in rows:
        acting = evaluation * (1 / rows["environment"] + 1 / rows["act"])
        if "end to end" in rows:
            return need(steps / rows["end to end"] + acting, "measured")
        if "learning" in rows and cost:
            return need(steps * (cost.flops / rows["learning"] + 1 / rows["environment"]) + acting, "measured rates")
    if cost is None:
        return need(None, "unknown")
    if run.runtime.device not in rates:
        rates[run.runtime.device] = throughput.matrix_rate(run.runtime.device, MATRIX)
    seconds = steps * cost.flops / rates[run.runtime.device] + (steps + evaluation) / _environment_rate(identity.task)
    return need(seconds, "estimate")


def _measured(identity: Identity, device: str) -> dict[str, float]:
    """The newest value of every quantity of this agent, protocol, scale and kind of device; {} where none was
    measured."""
    protocol = identity.task.partition("/")[0]
    asked = (identity.label, protocol, identity.scale, device)
    return {
        row["quantity"]: float(row["value"])
        for row in throughput.measured()
        if (row["agent"], row["task"].partition("/")[0], row["scale"], row["device"]) == asked
    }


def _environment_rate(task_id: str) -> float:
    """Agent steps per second of the task's simulator on any machine measured; 1000 where none was."""
    name = task_id.partition("/")[0]
    rows = [
        float(row["value"])
        for row in throughput.measured()
        if row["quantity"] == "environment" and row["task"].startswith(f"{name}/")
    ]
    return min(rows, default=1000.0)


def _scale(text: str) -> Scale:
    return text  # type: ignore[return-value]


def show(console: Console, plan: Plan, forecast: Forecast, every_run: bool = False) -> None:
    """Print the plan: what would be done, what is done, and what it needs."""
    if every_run:
        console.print(_table(plan, forecast))
    counts = Counter(run.action for run in plan.runs)
    said = ", ".join(f"{number} {action}" for action, number in counts.items())
    console.print(f"{len(plan.runs)} runs: {said}")
    for reason in plan.skipped:
        console.print(f"skipped: {reason}", highlight=False)
    for run in plan.runs:
        if run.note and not every_run:
            console.print(
                f"{run.action}: {run.path.name} of {run.identity.label} on {run.identity.task}: {run.note}",
                highlight=False,
            )
    if not forecast.needs:
        console.print("nothing to train")
        return
    needs = list(forecast.needs.values())
    hours, memory = forecast.hours, forecast.at_once([need.memory for need in needs])
    basis = ", ".join(sorted({need.basis for need in needs}))
    time = "time unknown" if hours is None else f"{hours:.2f} hours"
    console.print(
        f"forecast with {forecast.jobs} at once: {time}, "
        f"memory {'unknown' if memory is None else _bytes(memory)}, "
        f"disk {_bytes(forecast.at_once([need.disk for need in needs]) or 0)} ({basis})",
        highlight=False,
    )


def _table(plan: Plan, forecast: Forecast) -> Table:
    grid = Table(box=None, pad_edge=False)
    for name in ("agent", "task", "runs", "action", "frames", "hours", "memory", "disk", "basis"):
        right = name in ("runs", "frames", "hours", "memory", "disk")
        grid.add_column(name, justify="right" if right else "left", overflow="fold")
    groups: dict[tuple[str, str, str], list[Planned]] = {}
    for run in plan.runs:
        groups.setdefault((run.identity.label, run.identity.task, run.action), []).append(run)
    for (label, task, action), runs in groups.items():
        seeds = str(len(runs))
        frames = f"{runs[0].runtime.budget.frames:,}"
        need = forecast.needs.get(runs[0].path)
        if need is None or action not in WORK:
            grid.add_row(label, task, seeds, action, frames, "", "", "", runs[0].note)
            continue
        hours = "?" if need.hours is None else f"{need.hours * len(runs):.2f}"
        memory = "?" if need.memory is None else _bytes(need.memory)
        grid.add_row(label, task, seeds, action, frames, hours, memory, _bytes(need.disk), need.basis)
    return grid


def _bytes(amount: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
