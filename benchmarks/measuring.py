"""How fast an agent runs on a task, in this process: the real training loop with a stopwatch on its parts, then acting,
planning and imagining by themselves.

    python -m bench.benchmarks.measuring < REQUEST

is what `throughput` starts, several times at once where runs are packed. It reads a line of JSON {identity, device,
seconds, packed, eager}, says "ready" once everything is built, waits for another line, and writes its rows as a line of
JSON.

A run alone on a CPU is timed in its own process's processor seconds, which other work on the machine changes little.
Packed runs compete, and that is what they are asked about: they are timed by the clock, and so is everything on a GPU.
"""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from bench.agents.api import Agent, Observation
from bench.benchmarks.run_one import pin_threads
from bench.benchmarks.trainer import Interrupted, Trainer
from bench.benchmarks.usage import peak_card, peak_memory
from bench.results.lease import Lease
from bench.results.schema import Budget, Identity, Runtime
from bench.results.store import RunFolder

ONLY = "train"  # the stage of an agent that has one: more may come of one whose stages have names
COUNTED = 3  # which unit of a stage has its FLOPs counted: the first ones may still be building something
CAPTURED = 8  # units of a stage after which its graphs are there, where it has any; until then none is timed
LOOK = 0.05  # seconds between looks at whether the time is over
LEAST = 3  # samples that a median is taken of
SAMPLE = 0.005  # seconds of the shortest sample
DREAMS, HORIZON = 16, 15  # dreams of one batch, and decisions of each at most, that imagination is timed on
OPEN_ENDED = Budget(1 << 60, 1 << 60, 1, 1)

Clock = Callable[[], float]  # seconds


class Row(NamedTuple):
    quantity: str
    value: float
    unit: str


class Debt(NamedTuple):
    """A moment at which nothing was owed any more."""

    time: float
    steps: int  # decisions until then


class Loop:
    """The training loop, watched, for so many seconds: on a CPU of its own work, so that a busy machine changes nothing
    in how far it comes. What counting FLOPs takes is no part of any time."""

    def __init__(self, trainer: Trainer, seconds: float, clock: Clock):
        self.trainer, self.agent, self._clock = trainer, trainer.agent, clock
        self.seconds: dict[str, float] = defaultdict(float)  # by part; of learning by stage
        self.calls: Counter[str] = Counter()
        self.units: Counter[str] = Counter()  # by stage: optimiser steps, or what else a unit of learning is
        self.flops: dict[str, float] = {}  # of a unit, by stage
        self.paid: list[Debt] = []
        self.paused = 0.0
        self._length, self._next_look = seconds, 0.0
        self._building = CAPTURED if str(trainer.agent.capture) == "graphs" else 0
        self._work: Clock = time.process_time if trainer.agent.device == "cpu" else time.perf_counter
        self._act, self._learn = trainer.policy.act, trainer.agent.learn
        timed = (
            (trainer.envs, "step", "environment"),
            (trainer.envs, "reset", "environment"),
            (trainer.agent, "observe", "agent"),
            (trainer.agent, "metrics", "agent"),
            (trainer, "checkpoint", "checkpoint"),
        )
        for owner, method, part in timed:
            setattr(owner, method, self._timed(getattr(owner, method), part))
        setattr(trainer.policy, "act", self._acted)  # noqa: B010 - a method put on one object
        setattr(trainer.agent, "learn", self._learnt)  # noqa: B010 - likewise

    def run(self) -> None:
        self._start, self._worked, begin = time.perf_counter(), self._work(), self._clock()
        with contextlib.suppress(Interrupted):  # the end that was asked for
            self.trainer.run()
        self.total = self._now()
        # `process_time` takes 4 us a call, too long for every part of a decision: parts share what all of it took
        self.share = (self._clock() - begin) / (time.perf_counter() - self._start)

    @property
    def steps(self) -> int:
        """Decisions."""
        return self.calls["act"] * self.trainer.envs.num_envs

    def _now(self) -> float:
        """Seconds since the start, those of counting left out."""
        return time.perf_counter() - self._start - self.paused

    def _stop_in_time(self) -> None:
        now = time.perf_counter()
        if now > self._next_look:
            self._next_look = now + LOOK
            if self._work() - self._worked > self._length:
                signal.raise_signal(signal.SIGTERM)  # the loop stops as it would for anybody

    def _timed(self, inner: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = inner(*args, **kwargs)
            self.seconds[part] += time.perf_counter() - start
            self.calls[part] += 1
            return result

        return timed

    def _acted(self, observation: Observation, first: np.ndarray) -> Any:
        self.seen = observation
        self._stop_in_time()
        return self._timed(self._act, "act")(observation, first)

    def _learnt(self) -> bool:
        self._stop_in_time()
        stage, before = self.agent.progress()[0].partition(",")[0], self.agent.updates
        start = time.perf_counter()
        counted = stage not in self.flops and self.calls[stage] + 1 == COUNTED and "torch" in sys.modules
        learnt, flops = _counted(self._learn) if counted else (self._learn(), 0.0)
        _wait(self.agent.device)  # else what a GPU still does would count as the next decision
        spent = time.perf_counter() - start
        if not learnt:
            self.seconds["nothing owed"] += spent
            if self.units:
                self.paid.append(Debt(self._now(), self.steps))
            return False
        self.calls[stage] += 1
        units = max(self.agent.updates - before, 1)
        if counted:
            self.flops[stage] = flops / units
        if counted or self.calls[stage] <= self._building:
            self.paused += spent
        else:
            self.units[stage] += units
            self.seconds[stage] += spent
        return True

    def rows(self) -> list[Row]:
        stages = list(self.units)
        environment = self._rate("environment", self.steps, self.seconds["environment"], "agent steps")
        rows = [*self._end_to_end(stages), environment]
        several = stages != [ONLY]
        for stage in stages:
            name = f"update: {stage}" if several else "update"
            rows.append(self._rate(name, self.units[stage], self.seconds[stage], "updates"))
        own, checkpoint = self.total - sum(self.seconds.values()), self.seconds["checkpoint"]
        for name, spent, part, unit in (
            ("runner's own work", own, "act", "ms/decision"),
            ("checkpoint", checkpoint, "checkpoint", "ms"),
        ):
            rows.append(Row(name, 1e3 * self.share * spent / max(self.calls[part], 1), unit))
        rows += [
            Row(f"FLOPs: {stage}" if several else "FLOPs", flops, "FLOP/update") for stage, flops in self.flops.items()
        ]
        if spent := sum(self.seconds[stage] for stage in self.flops):
            done = sum(flops * self.units[stage] for stage, flops in self.flops.items())
            rows.append(self._rate("learning", done, spent, "FLOP"))
        return rows

    def _rate(self, quantity: str, count: float, seconds: float, unit: str) -> Row:
        return Row(quantity, count / max(self.share * seconds, 1e-9), f"{unit}/s")

    def _end_to_end(self, stages: list[str]) -> list[Row]:
        """Between two moments at which nothing was owed; without learning, or of stages that differ, of all the
        time."""
        if not stages:
            return [self._rate("end to end", self.steps, self.total, "agent steps")]
        if stages != [ONLY]:
            return [self._rate(f"end to end: {', '.join(stages)}", self.steps, self.total, "agent steps")]
        if not self.paid or self.paid[-1].steps == self.paid[0].steps:
            return []  # what is owed at the beginning is still being done
        first, last = self.paid[0], self.paid[-1]
        return [self._rate("end to end", last.steps - first.steps, last.time - first.time, "agent steps")]


def measure(
    identity: Identity,
    device: str,
    seconds: float,
    packed: bool = False,
    eager: bool = False,
    ready: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Train for `seconds` in a store of its own, without evaluations, then call the other parts by themselves.

    `ready` is called when everything is built and the clock is about to start. eager: without CUDA graphs; RuntimeError
    where they were to be measured and could not be captured.
    """
    clock: Clock = time.process_time if device == "cpu" and not packed else time.perf_counter
    with tempfile.TemporaryDirectory() as store:
        folder = RunFolder.create(Path(store), identity, Runtime(OPEN_ENDED, "", device))
        trainer = Trainer(folder, Lease(folder.path), say=lambda line: print(line, file=sys.stderr))
        capture = trainer.agent.capture
        if capture is not None and eager:
            capture.backend = None
        loop = Loop(trainer, seconds, clock)
        ready()
        loop.run()
        rows = [*loop.rows(), Row("memory", peak_memory() / 1e6, "MB")]
        if card := peak_card(device):
            rows.append(Row("GPU memory", card / 1e6, "MB"))
        alone = trainer.agent, loop.seen, seconds / 4, clock
        rows += [*acting(*alone), *imagining(*alone)]
        if capture is not None and capture.failed:
            raise RuntimeError(f"no CUDA graphs here, measure with --eager: {capture.failed}")
        return rows


def acting(agent: Agent, seen: Observation, seconds: float, clock: Clock) -> list[Row]:
    """Decisions as evaluation makes them, planned where there is a planner: what its policy captured as `plan`, or an
    agent's own method, which is out of sight once it is part of a graph."""
    envs = len(next(iter(seen.values())))
    policy = agent.policy(envs, 0, "evaluate")
    first, later = np.ones(envs, bool), np.zeros(envs, bool)

    def begin() -> Any:
        return policy.act(seen, first)

    _, flops = _counted(begin) if "torch" in sys.modules else (begin(), 0.0)  # while it is no graph yet
    plans: list[float] = []
    planner = policy if hasattr(policy, "plan") else agent
    inner = getattr(planner, "plan", None)
    if inner is not None and (planner is policy or str(agent.capture) != "graphs"):

        def plan(*args: Any) -> Any:
            start = clock()
            result = inner(*args)
            _wait(agent.device)
            plans.append(clock() - start)
            return result

        setattr(planner, "plan", plan)  # noqa: B010 - a method put on one object
    rows = [Row("act", envs / _median(lambda: policy.act(seen, later), seconds, clock), "decisions/s")]
    if plans:
        rows.append(Row("plan", envs / statistics.median(plans), "decisions/s"))
    if flops:
        rows.append(Row("FLOPs of act", flops / envs, "FLOP/decision"))
    return rows


def imagining(agent: Agent, seen: Observation, seconds: float, clock: Clock) -> list[Row]:
    """Dreamt decisions, what they show included; none of an agent without a world model."""
    model = agent.world_model
    if model is None:
        return []
    import torch

    shown = {key: torch.from_numpy(np.repeat(value[:1, None], DREAMS, axis=0)) for key, value in seen.items()}
    horizon = min(model.predicts.trained_horizon, HORIZON)
    shape, kind = agent.task.action.shape or (), torch.float32
    if isinstance(agent.task.action, spaces.Discrete):
        kind = torch.int64
    action = torch.zeros(DREAMS, horizon, *shape, dtype=kind, device=agent.device)
    generator = torch.Generator(agent.device).manual_seed(0)
    shown = {key: value.to(agent.device) for key, value in shown.items()}
    state = model.encode(shown, action[:, :0], torch.ones(DREAMS, 1, dtype=torch.bool, device=agent.device))

    imagine = agent.capture(model.imagine) if agent.capture is not None else model.imagine

    def dream() -> None:
        imagine(state, action, generator)
        _wait(agent.device)

    return [Row("imagination", DREAMS * horizon / _median(dream, seconds, clock), "dreamt decisions/s")]


def _median(call: Callable[[], Any], seconds: float, clock: Clock) -> float:
    """Seconds of a call: the median of as many as go into `seconds`, and of LEAST at least; short ones are timed
    several together."""
    begin = clock()
    call()
    together = max(int(SAMPLE / (clock() - begin)), 1)
    times: list[float] = []
    while len(times) < LEAST or clock() < begin + seconds:
        start = clock()
        for _ in range(together):
            call()
        times.append((clock() - start) / together)
    return statistics.median(times)


def _wait(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def _counted(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the FLOPs of its matrix products, backward ones included."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        result = call()
    return result, float(counter.get_total_flops())


def main() -> None:
    pin_threads(1)
    request = json.loads(sys.stdin.readline())

    def ready() -> None:
        print("ready", flush=True)
        sys.stdin.readline()

    identity = Identity(**request["identity"])
    rows = measure(identity, request["device"], request["seconds"], request["packed"], request["eager"], ready)
    print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main()
