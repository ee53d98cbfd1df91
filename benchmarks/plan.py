"""From what a user typed to the runs that would be done: everything that can be wrong is found here, before any
work."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from bench.agents import registry as agents
from bench.agents.api import Scale
from bench.agents.common.config import as_dict
from bench.benchmarks import suites
from bench.benchmarks.errors import RequestError, Unsupported, nearest
from bench.envs import registry as envs
from bench.envs.base import UnknownTask
from bench.results import checkpoints, reader
from bench.results.schema import Budget, Identity, Runtime, Suite

Action = Literal["new", "continue", "retry", "extend", "restart", "rerun", "done", "diverged"]
Rerun = Literal["failed", "diverged", "all"]
WORK: tuple[Action, ...] = ("new", "continue", "retry", "extend", "restart", "rerun")


@dataclass(frozen=True)
class Request:
    """The arguments of `bench run` and `bench plan`, as typed."""

    agents: str
    suite: str = ""
    tasks: str = ""
    seeds: str = "5"
    scale: str = "paper"
    frames: str = ""
    sets: Sequence[str] = ()
    root: Path = Path("runs")
    device: str = "auto"
    keep: bool = False
    rerun: str = ""


@dataclass(frozen=True)
class Planned:
    """One run, and what this request means for it."""

    identity: Identity
    runtime: Runtime
    path: Path
    action: Action
    note: str = ""
    frames: int = 0  # already trained


@dataclass(frozen=True)
class Plan:
    suite: Suite
    runs: tuple[Planned, ...]
    skipped: tuple[str, ...] = ()  # pairs of agent and task of the suite that cannot be, each with its reason

    @property
    def work(self) -> list[Planned]:
        return [run for run in self.runs if run.action in WORK]


def make(request: Request) -> Plan:
    """Every run of the request with what is done of it. RequestError for whatever is wrong; writes nothing.

    Tasks of a suite that an agent does not support are skipped; those that were named with --tasks are an error, and so
    is an agent that supports none.
    """
    scale = _one_of("scale", request.scale, get_args(Scale))
    if request.rerun:
        _one_of("--rerun value", request.rerun, get_args(Rerun))
    suite = _suite(request)
    tasks = _tasks(request, suite)
    seeds = parse_seeds(request.seeds)
    labels = _labels(request)
    overrides = _overrides(request.sets, labels)
    devices = parse_devices(request.device)
    _check_store(request.root)
    runs: list[Planned] = []
    skipped: dict[str, list[str]] = {label: [] for label in labels}
    for task_id in tasks:
        budget = _budget(request, suite, task_id, scale)
        protocol = envs.protocol(task_id)
        for label in labels:
            try:
                variant, config = _config(label, task_id, cast(Scale, scale), overrides)
            except Unsupported as error:
                skipped[label].append(str(error))
                if request.tasks:
                    raise
                if len(skipped[label]) == len(tasks):
                    raise Unsupported(f"no task of {suite.name} is one for {label}: {skipped[label][0]}") from error
                continue
            collection = config.pop("collection")
            for seed in seeds:
                identity = Identity(
                    protocol, task_id, label.partition(":")[0], variant, scale, config, collection, seed
                )
                device = devices[len(runs) % len(devices)]
                runs.append(_planned(identity, Runtime(budget, suite.name, device, keep=request.keep), request))
    return Plan(suite, tuple(runs), tuple(reason for reasons in skipped.values() for reason in reasons))


def prepare(root: Path) -> None:
    """Make the store and try to write in it. RequestError where it cannot be."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root) as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RequestError(
            f"cannot write in the runs folder {str(root)!r}: {error.strerror}. Name another with --runs"
        ) from error


def parse_seeds(text: str) -> list[int]:
    """ "5" is the seeds 0 to 4, "0,1,2" (or "7,") a list. RequestError for none or a repeated one."""
    hint = "type a count (--seeds 5) or a list (--seeds 0,1,2)"
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not numbers or not all(re.fullmatch(r"\d+", number) for number in numbers):
        raise RequestError(f"--seeds {text!r} is neither a count nor a list of whole numbers; {hint}")
    if "," not in text:
        count = int(text)
        if count == 0:
            raise RequestError(f"--seeds 0 asks for no run at all; {hint}")
        return list(range(count))
    seeds = [int(number) for number in numbers]
    repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if repeated:
        raise RequestError(f"--seeds {text} repeats {', '.join(map(str, repeated))}: a seed counts once; {hint}")
    if max(seeds) >= 2**31:
        raise RequestError(f"--seeds {text}: seeds are below 2147483648")
    return seeds


def parse_frames(text: str) -> int:
    """ "400000", "400k" or "1M" frames."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text.replace("_", ""))
    frames = round(float(match[1]) * {"": 1, "k": 1_000, "M": 1_000_000}[match[2]]) if match else 0
    if frames < 1:
        raise RequestError(f"--frames {text!r} is no number of simulator frames; type 400000, 400k or 1M")
    return frames


def parse_devices(text: str) -> list[str]:
    """ "auto", "cpu" or "cuda:0,cuda:1". RequestError for one this machine lacks."""
    gpus = Path("/dev/nvidiactl").exists() or "CUDA_VISIBLE_DEVICES" in os.environ
    if text == "cpu" or (text == "auto" and not gpus):
        return ["cpu"]
    names = _words("--device", text)
    wrong = [name for name in names if name != "auto" and name != "cpu" and not re.fullmatch(r"cuda:\d+", name)]
    if wrong:
        raise RequestError(f"unknown device {wrong[0]!r}. Known: auto, cpu, cuda:0, cuda:1, … (several with commas)")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = [f"cuda:{number}" for number in range(count)]
    if names == ["auto"]:
        return here or ["cpu"]
    absent = [name for name in names if name != "cpu" and name not in here]
    if absent:
        raise RequestError(
            f"no device {absent[0]!r} on this machine; there {'is' if not here else 'are'} {', '.join(['cpu', *here])}"
        )
    return names


def _suite(request: Request) -> Suite:
    if request.suite:
        try:
            return suites.get(request.suite)
        except LookupError as error:
            raise RequestError(str(error)) from error
    if not request.tasks:
        raise RequestError("neither --suite nor --tasks says what to run. See: bench list suites")
    frames = parse_frames(request.frames) if request.frames else 0
    if not frames:
        raise RequestError(
            "without --suite the budget is not known: add --frames (as in --frames 100k), or name a suite"
        )
    try:
        tasks = tuple(envs.resolve(name) for name in _words("--tasks", request.tasks))
    except UnknownTask as error:
        raise RequestError(str(error)) from error
    budget = Budget(frames, max(frames // 10, 1), 10, 20)
    return Suite("custom", "", "", "", tasks, dict.fromkeys(get_args(Scale), budget))


def _labels(request: Request) -> list[str]:
    try:
        return list(dict.fromkeys(map(agents.canonical, _words("--agents", request.agents))))
    except (agents.UnknownAgent, agents.BrokenAgent) as error:
        raise RequestError(str(error)) from error


def _tasks(request: Request, suite: Suite) -> list[str]:
    try:
        names = _words("--tasks", request.tasks) if request.tasks else list(suite.tasks)
        tasks = [envs.resolve(name, suite.tasks) for name in names]
    except UnknownTask as error:
        raise RequestError(str(error)) from error
    for task_id in tasks:
        lacking = envs.missing(task_id)
        if lacking:
            raise RequestError(lacking)
    return list(dict.fromkeys(tasks))


def _budget(request: Request, suite: Suite, task_id: str, scale: str) -> Budget:
    budget = suite.budget(task_id, scale)
    return replace(budget, frames=parse_frames(request.frames)) if request.frames else budget


def _overrides(sets: Sequence[str], labels: Sequence[str]) -> dict[str, dict[str, str]]:
    """{agent: {field: text}} of `--set AGENT.FIELD=VALUE`."""
    asked = {label.partition(":")[0] for label in labels}
    found: dict[str, dict[str, str]] = {}
    for text in sets:
        path, equals, value = text.partition("=")
        agent, dot, field = path.partition(".")
        if not equals or not dot or not field:
            raise RequestError(f"--set {text!r} is not AGENT.FIELD=VALUE, as in --set random.collection.envs=4")
        if agent not in asked:
            raise RequestError(f"--set {text!r}: {agent!r} is not among --agents.{nearest(agent, asked)}")
        found.setdefault(agent, {})[field] = value
    return found


def _config(
    label: str, task_id: str, scale: Scale, overrides: Mapping[str, Mapping[str, str]]
) -> tuple[str, dict[str, Any]]:
    """(variant, resolved config as JSON values) of one agent on one task."""
    try:
        spec, variant, diff = agents.parse(label)
        task = envs.task(task_id)
        config = agents.resolve(spec, task, scale, diff, overrides.get(spec.name, {}))
    except (agents.UnknownAgent, agents.BrokenAgent, agents.ConfigError) as error:
        raise RequestError(str(error)) from error
    reason = spec.supports(task, config)
    if reason:
        raise Unsupported(f"{label} does not run {task_id}: {reason}")
    if config.collection.envs < 1:
        raise RequestError(
            f"{label} on {task_id}: collection.envs is {config.collection.envs}, and it takes at least one"
        )
    lacking = envs.missing(task_id, config.collection)
    if lacking:
        raise RequestError(f"{label} on {task_id}: {lacking}")
    changed = overrides.get(spec.name)
    if changed:  # two configs of one agent are two legends, so `--set` shows in the variant
        variant = ",".join(
            [*([variant] if variant else []), *(f"{field}={value}" for field, value in sorted(changed.items()))]
        )
    return variant, as_dict(config)


def _planned(identity: Identity, runtime: Runtime, request: Request) -> Planned:
    path = request.root / identity.folder
    if not (path / "run.json").exists():
        return Planned(identity, runtime, path, "new")
    try:
        run = reader.load(path)
    except ValueError as error:
        raise RequestError(f"{error}. Move that folder aside, or name another store with --runs") from error
    record, asked = run.record, runtime.budget.frames
    trained = record.counters.get("frames", 0)

    def answer(action: Action, note: str = "", runtime: Runtime = runtime) -> Planned:
        return Planned(identity, runtime, path, action, note, trained)

    status = run.status
    if request.rerun == "all" or (request.rerun == status) or (request.rerun == "failed" and status == "out_of_memory"):
        return answer("rerun", f"was {status}; the old folder is kept beside")
    if status == "diverged":
        return answer("diverged", f"{record.reason}; train it afresh with --rerun diverged")
    if status == "finished":
        if record.runtime.budget.frames >= asked:
            return answer("done")
        if extendable(path):
            return answer("extend", f"from {trained:,} frames")
        return answer(
            "restart",
            "its replay was dropped (--keep all keeps it), so it starts afresh; the old folder is kept beside",
        )
    note = ""
    if trained > asked:
        runtime = replace(runtime, budget=record.runtime.budget)
        note = f"has {trained:,} frames already, more than asked: it goes on to its own {runtime.budget.frames:,}"
    if status in ("failed", "out_of_memory"):
        return answer("retry", f"{status}: {record.reason}", runtime)
    return answer("continue" if trained or status != "planned" else "new", note, runtime)


def extendable(path: Path) -> bool:
    """Whether a finished run has all that a longer one needs."""
    kept = (path / "replay").exists()
    for checkpoint in checkpoints.candidates(path)[0]:
        manifest = checkpoint.manifest
        if manifest["complete"] and not manifest["after_finish"] and (kept or manifest["replay"] is None):
            try:
                checkpoint.read()
            except ValueError:
                continue  # damaged: an older one may serve
            return True
    return False


def _check_store(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise RequestError(f"the runs folder {str(root)!r} is a file; name a folder with --runs")
    parent = root.absolute()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise RequestError(
            f"the runs folder {str(root)!r} lies in {str(parent)!r}, which is a file; name another with --runs"
        )
    if not os.access(parent, os.W_OK):
        raise RequestError(f"the runs folder {str(root)!r} cannot be written; name another with --runs")
    foreign = [problem for problem in reader.runs(root)[1] if "schema" in problem.reason]
    if foreign:
        raise RequestError(f"{foreign[0].reason}: this store was written by another version. Name another with --runs")


def _words(option: str, text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise RequestError(f"{option} names nothing")
    return list(dict.fromkeys(words))


def _one_of(what: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise RequestError(f"unknown {what} {value!r}.{nearest(value, known)} Known: {', '.join(known)}")
    return value
