"""One run from where it stands to its budget: the loop of the design, with checkpoints, signals and exact resume."""

from __future__ import annotations

import math
import shutil
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.agents import registry as agents
from bench.agents.api import Agent, Diverged, Scale
from bench.agents.common.config import merge
from bench.agents.common.tree import copied
from bench.benchmarks import parameters, provenance, video
from bench.benchmarks.chance import APART, seed_torch, seeds, set_torch_generators, torch_generators
from bench.benchmarks.collector import Collector
from bench.benchmarks.evaluation import Evaluator
from bench.benchmarks.usage import Meter
from bench.envs import registry as envs
from bench.envs.vector import VectorTask
from bench.results import checkpoints, faults
from bench.results.checkpoints import Checkpoint
from bench.results.lease import Lease, Lost
from bench.results.schema import At, End, Episode, Evaluation, Identity, Metrics
from bench.results.store import EventLog, RunFolder

METRICS_EVERY = 1000  # ticks between rows of means; counts, so that the rows are a function of the identity
PROGRESS = 0.5  # seconds between looks at the agent's progress
HEARTBEAT = 2.0  # seconds between refreshed leases
TELEMETRY = 60.0  # seconds between telemetry rows
CHECKPOINT_SHARE = 0.005  # of a run's time that checkpoints may take
CHECKPOINT_LEAST = 30.0  # seconds between checkpoints at least


class Interrupted(Exception):
    """A signal asked the run to stop; it can be resumed."""


def build_agent(identity: Identity, device: str) -> Agent:
    """The agent an identity describes, untrained. ValueError where this build's protocol of the task is another one."""
    protocol = envs.protocol(identity.task)
    if protocol != identity.protocol:
        raise ValueError(
            f"{identity.task} now has protocol {protocol['name']}/{protocol['version']}, this run has another; "
            "its scores stay, but it cannot go on"
        )
    spec = agents.get(identity.agent)
    task = envs.task(identity.task)
    default = spec.configure(task, cast(Scale, identity.scale), {})
    config = merge(default, {**identity.config, "collection": identity.collection})
    kind = agents.load(spec)
    seed_torch(seeds(APART, identity.seed, 4)[0])
    return kind(config, task, identity.seed, device)


class Trainer:
    """Owns one run while its lease is held. `run` returns when the budget is spent."""

    def __init__(self, folder: RunFolder, lease: Lease, say: Callable[[str], None]):
        self.folder, self._lease, self._say = folder, lease, say
        identity, runtime = folder.record.identity, folder.record.runtime
        self._seed, self._budget = identity.seed, runtime.budget
        self._meter = Meter(runtime.device)
        self._build()
        self._evaluator = Evaluator(identity.task)
        self._repeat = self.agent.task.action_repeat
        self._tick = self._agent_steps = self._episodes = 0
        self._evaluated = 0  # frames at the last evaluation
        self._finishing = self._owed = False  # finish() was called; and it owed something
        # Bytes of events, and frames at the evaluation before the final one: there a longer run goes on.
        self._before_final: tuple[int, int] | None = None
        self._score = folder.record.score
        self._signals = 0
        self._lost = False
        self._moved = self._last_checkpoint = self._last_telemetry = time.time()
        self._checkpoint_wait = CHECKPOINT_LEAST
        self._checkpoint_ticks = faults.checkpoint_ticks()
        self._restored: list[str] = []  # what could not be used at the start, in sentences
        self._stale: list[Path] = []  # checkpoints of a history that is trained again
        self._events: EventLog

    def _build(self) -> None:
        """Agent, environments and policy, untouched by any checkpoint."""
        identity = self.folder.record.identity
        self.agent = build_agent(identity, self.folder.record.runtime.device)
        collection = self.agent.collection
        self.envs = VectorTask([envs.make(identity.task, collection) for _ in range(collection.envs)])
        self.collector = Collector(self.envs, self.agent, self._episode_row)
        self.policy = self.agent.policy(collection.envs, seeds(APART, identity.seed, 2)[0], "explore")

    # The loop

    def run(self) -> None:
        """Train, evaluate, checkpoint. Raises Interrupted, Diverged, Lost, or whatever agent and environment raise."""
        record = self.folder.record
        start = self._restore()
        session = provenance.session(record.runtime.device, datetime.now(UTC).isoformat(timespec="seconds"))
        record.sessions.append({**session, "restored": self._restored})
        self._pin()
        record.status, record.reason = "running", "; ".join(self._restored)
        self.folder.save()
        self.folder.telemetry("start", tick=self._tick, checkpoint=start, parameters=parameters.count(self.agent))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        stop = threading.Event()
        beats = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        self._began, self._began_at = time.time(), self._fraction()
        self._last_progress, self._progress = self._began, self.progress()
        beats.start()
        try:
            if self._before_final is None:  # else only the record was not told that the run is finished
                self._loop()
        except Interrupted:
            self.checkpoint()
            raise
        except Diverged:
            self._events.sync()  # nobody trains these rows again
            raise
        finally:
            stop.set()
            beats.join()
            record.sessions[-1]["capture"] = str(self.agent.capture or "eager")
            record.sessions[-1]["end"] = datetime.now(UTC).isoformat(timespec="seconds")
            self._events.close()
            self._evaluator.close()
            self.envs.close()

    def _loop(self) -> None:
        agent, collector = self.agent, self.collector
        while True:
            while agent.learn():
                self._owed |= self._finishing
                self._count()
                faults.point("loop.unit")
                self._between()
            if self._finishing:
                break
            if self._frames >= self._budget.frames or agent.done():
                if self.folder.record.runtime.keep:
                    self.checkpoint()  # the point from which a longer run goes on
                agent.finish()
                self._finishing = True
                continue
            if self._frames // self._budget.every > self._evaluated // self._budget.every:
                self._evaluate(self._budget.episodes)
            observation, first = collector.current()
            action, extras = self.policy.act(observation, first)
            faults.point("loop.acted")
            step = collector.step(action, extras)
            self._agent_steps += len(first)
            mask = agent.observe(step)
            self._count()
            collector.cut(mask)
            faults.point("loop.observed")
            self._between()
        before = self._events.push(), self._evaluated
        if self._tick % METRICS_EVERY:  # the last means; a longer run cuts this row, and its own means go on
            state = copied(self.agent.state_dict())
            self._metrics_row()
            self.agent.load_state_dict(state)
        self._evaluate(self._budget.final_episodes)
        self._before_final = before
        for name, pictures in agent.media().items():
            video.write(self.folder.path / "media" / f"{name}.mp4", pictures)
        self.checkpoint()
        faults.point("run.finished")

    @property
    def _frames(self) -> int:
        return self._agent_steps * self._repeat

    def _at(self) -> At:
        return At(self._tick, self._agent_steps, self._frames, self.agent.updates)

    def _count(self) -> None:
        """One vector step or one unit of learning is done."""
        self._tick += 1
        if self._tick % METRICS_EVERY == 0:
            self._metrics_row()

    def _metrics_row(self) -> None:
        values = {name: float(value) for name, value in self.agent.metrics().items()}
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            raise Diverged(f"{', '.join(wrong)} not finite after {self.agent.updates} updates")
        if values:
            self._events.append(Metrics(self._at(), values))

    def _episode_row(self, episode: int, seed: int, ret: float, length: int, end: End) -> None:
        if not math.isfinite(ret):
            raise Diverged(f"episode {episode} has return {ret}")
        self._episodes += 1
        self._events.append(Episode(self._at(), episode, seed, ret, length, end))

    def _evaluate(self, episodes: int) -> None:
        def tick() -> None:
            faults.point("loop.evaluate")
            self._moved = time.time()
            self._progress = {**self._progress, "moved": self._moved}
            if self._signals or self._lost:
                self._stop()

        seen = self._evaluator.play(self.agent, episodes, (APART, self._seed, 3, self._frames), tick=tick)
        self._evaluated = self._frames
        self._events.append(Evaluation(self._at(), "evaluate", seen.returns, seen.lengths, seen.seeds))
        self._score = float(np.mean(seen.returns))

    # Between units

    def _between(self) -> None:
        """Signals, housekeeping by the clock, checkpoints."""
        if self._signals or self._lost:
            self._stop()
        now = time.time()
        self._moved = now
        if now - self._last_progress > PROGRESS:
            self._last_progress, self._progress = now, self.progress()
        if self._checkpoint_ticks:
            if self._tick % self._checkpoint_ticks == 0:
                self.checkpoint()
        elif now - self._last_checkpoint > self._checkpoint_wait:
            self.checkpoint()
        if now - self._last_telemetry > TELEMETRY:
            self._events.push()
            self._telemetry(now)

    def _stop(self) -> None:
        if self._lost:
            raise Lost(f"the lease of {self.folder.path} went to another process")
        raise Interrupted(signal.Signals(self._signals).name)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._signals and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second time: at once, from the last checkpoint later
        self._signals = number

    def _fraction(self) -> float:
        fraction = self.agent.progress()[1]
        return self._frames / self._budget.frames if fraction is None else fraction

    def progress(self) -> dict[str, Any]:
        """What `bench status` shows of a live run; speed in agent steps per second, eta in seconds."""
        stage, fraction = self.agent.progress()[0], self._fraction()
        done, elapsed = fraction - self._began_at, max(time.time() - self._began, 1e-9)
        return {
            "stage": stage, "fraction": fraction, "frames": self._frames, "updates": self.agent.updates,
            "speed": (self._agent_steps - self._agent_steps_began) / elapsed,
            "eta": (1 - fraction) * elapsed / done if done > 0 else None,
            "score": self._score, "moved": self._moved, "use": self._meter.use()._asdict(),
        }  # fmt: skip

    def _beat(self, stop: threading.Event) -> None:
        while True:
            try:
                self._lease.beat(self._progress)
            except Lost:
                self._lost = True
                return
            except OSError as error:  # a full disk, say: tried again at the next beat
                self._say(f"the lease could not be refreshed: {error}")
            if stop.wait(HEARTBEAT):
                return

    def _telemetry(self, now: float) -> None:
        import psutil

        self._last_telemetry = now
        self.folder.telemetry("speed", **self.progress(), tick=self._tick, rss=psutil.Process().memory_info().rss)

    # Checkpoints

    def _counters(self) -> dict[str, int]:
        return {
            "tick": self._tick, "agent_steps": self._agent_steps, "frames": self._frames,
            "updates": self.agent.updates, "episodes": self._episodes, "evaluated": self._evaluated,
        }  # fmt: skip

    def checkpoint(self) -> None:
        start = time.time()
        self._lease.check()
        events = self._events.sync()
        replay = self.agent.replay
        kept = None
        complete = replay is None or self._before_final is None or self.folder.record.runtime.keep
        if replay is not None and complete:  # a finished run's replay is dropped: why write it first
            (self.folder.path / "replay").mkdir(exist_ok=True)
            kept = replay.flush(self.folder.path / "replay")
        parts = {
            "agent": self.agent.state_dict(),
            "policy": self.policy.state_dict(),
            "open": self.collector.state_dict(),
            "generators": torch_generators(),
        }
        manifest = {
            "counters": self._counters(),
            "events_bytes": events,
            "replay": kept,
            "budget_frames": self._budget.frames,
            "finishing": self._finishing,
            "after_finish": self._owed,
            "complete": complete,
            "before_final": self._before_final,
        }
        size = checkpoints.write(self.folder.path, self._tick, parts, manifest, self._lease.check)
        while self._stale:
            shutil.rmtree(self._stale.pop())
        if replay is not None and complete:
            found = checkpoints.candidates(self.folder.path)[0]
            survivors = [c.manifest["replay"] for c in found if c.manifest["replay"] is not None]
            replay.prune(self.folder.path / "replay", survivors)
        self.folder.record.counters, self.folder.record.score = self._counters(), self._score
        self.folder.save()
        now = self._last_checkpoint = time.time()
        self._checkpoint_wait = max(CHECKPOINT_LEAST, (now - start) / CHECKPOINT_SHARE)
        self.folder.telemetry("checkpoint", tick=self._tick, seconds=round(now - start, 4), bytes=size)

    def _restore(self) -> int | None:
        """Take up at the newest readable checkpoint that this budget allows; its tick, None for a fresh start."""
        found, problems = checkpoints.candidates(self.folder.path)
        chosen = None
        for checkpoint in found:
            manifest = checkpoint.manifest
            whole = manifest["complete"] and not manifest["after_finish"]
            if manifest["budget_frames"] < self._budget.frames and not whole:
                continue  # a longer run needs the replay, and goes on from where finish() had not been called
            try:
                self._load(checkpoint, checkpoint.read())
                chosen = checkpoint
                break
            except ValueError as error:
                problems.append(str(error))
                self._build()  # what was half restored is no ground to build on
        reached = self.folder.record.counters.get("tick", 0)
        if problems:
            lost = max(reached - self._tick, 0)
            problems.append(f"{lost} ticks are trained again, from {self._tick}")
            self._restored = [f"not used: {problem}" if problem != problems[-1] else problem for problem in problems]
            for line in self._restored:
                self._say(line)
            self._stale = [
                path for path in checkpoints.folders(self.folder.path) if chosen is None or path.name > chosen.path.name
            ]
        if chosen is None:
            self._events = EventLog(self.folder.path / "events.jsonl")
            self.collector.start()
        self._agent_steps_began = self._agent_steps
        return None if chosen is None else self._tick

    def _load(self, checkpoint: Checkpoint, parts: dict[str, Any]) -> None:
        """Everything as it was at `checkpoint`. ValueError where the replay or the events cannot be had."""
        manifest, counters = checkpoint.manifest, checkpoint.manifest["counters"]
        if manifest["replay"] is not None and self.agent.replay is not None:
            self.agent.replay.restore(self.folder.path / "replay", manifest["replay"])
        longer = manifest["finishing"] and manifest["budget_frames"] < self._budget.frames
        events, evaluated = manifest["events_bytes"], counters["evaluated"]
        if longer and manifest["before_final"] is not None:  # a longer run has no final evaluation here
            events, evaluated = manifest["before_final"]
        self._events = EventLog(self.folder.path / "events.jsonl", events)
        self.agent.load_state_dict(parts["agent"])
        self.policy.load_state_dict(parts["policy"])
        set_torch_generators(parts["generators"])
        self._tick, self._agent_steps = counters["tick"], counters["agent_steps"]
        self._episodes, self._evaluated = counters["episodes"], evaluated
        self._finishing, self._owed = manifest["finishing"] and not longer, manifest["after_finish"]
        self._before_final = None if longer else manifest["before_final"]
        stopped = self.collector.load_state_dict(parts["open"])
        if stopped:
            self._statistical(
                f"{stopped} open episodes came out differently on this machine and were closed as stopped"
            )

    def _pin(self) -> None:
        """Record what the bits depend on; going on under other settings is statistical, not exact."""
        record = self.folder.record
        now = {
            "threads": record.runtime.threads,
            "precision": self.agent.precision,
            "capture": str(self.agent.capture) == "graphs",
            "device": provenance.device_kind(record.runtime.device),
        }
        if record.pinned and record.pinned != now and self._tick:
            changed = [
                f"{key} {record.pinned.get(key)} -> {value}"
                for key, value in now.items()
                if record.pinned.get(key) != value
            ]
            self._statistical("resumed under other settings: " + ", ".join(changed))
        record.pinned = now

    def _statistical(self, why: str) -> None:
        self.folder.record.exactness = "statistical"
        self.folder.telemetry("statistical", why=why)
        self._say(f"this run is statistical from here, no longer exact: {why}")
