"""What every agent promises, stated once and tried on it: `bench check AGENT`, for ours and for anybody's.

Each check builds the agent at scale `tiny` for a task whose episodes count (the observation shows where in which
episode it is), so that nothing but agents.api and the agent is needed, and lasts seconds.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import AgentConfig, AgentSpec, Mode, Observation, Scale, Step, Task
from bench.agents.common.config import as_dict
from bench.agents.common.names import unknown
from bench.agents.common.tree import copied, difference
from bench.agents.counter import LENGTHS, TASKS, UNITS, Counter, Subject

STEPS = 160  # vector steps of a check that needs learning to have begun


class Result(NamedTuple):
    """One check on one task. `reason` is empty where it passed, or says why it did not apply."""

    name: str
    ok: bool
    reason: str
    seconds: float


class Violation(AssertionError):
    """The agent breaks a promise of agents.api; the message says which."""


@dataclass
class Case:
    """An agent's configuration on a task."""

    spec: AgentSpec
    config: AgentConfig
    task: Task

    def subject(self) -> Subject:
        return Subject(self.spec, self.config, self.task)

    @cached_property
    def played(self) -> Subject:
        """One agent after STEPS, for all checks that only look at it."""
        return self.subject().play(STEPS)


def require(condition: bool | np.bool_, message: str) -> None:
    if not condition:
        raise Violation(message)


def run(label: str, tasks: list[str] | None = None) -> Iterator[Result]:
    """Every check on the agent `label` ("agent[:variant]"), on each counter task it supports or on those named.

    Nothing an agent does ends this: what it raises is the reason of its result. LookupError for a wrong name.
    """
    spec, _, diff = registry.parse(label)
    for name in tasks or []:
        if name not in TASKS:
            raise LookupError(unknown("conformance task", name, TASKS, f"bench check {label}"))
    yield _try("imports without torch", lambda: _torch_free(spec))
    supported = 0
    for task in (TASKS[name] for name in tasks or TASKS):
        results = list(_on(spec, task, diff))
        supported += len(results) > 1
        yield from results
    if not tasks:
        yield _try("supports a task", lambda: require(supported > 0, "it supports none of: " + ", ".join(TASKS)))


def _on(spec: AgentSpec, task: Task, diff: Mapping[str, Any]) -> Iterator[Result]:
    begin = time.perf_counter()
    try:
        config = registry.resolve(spec, task, "tiny", diff, {})
        reason = spec.supports(task, config)
        require(
            reason is None or bool(isinstance(reason, str) and reason.strip()),
            "supports() gives neither None nor a sentence",
        )
    except Exception as error:  # an agent's own code: see `run`
        yield _failed(f"{task.id}: configuration", error, begin)
        return
    if reason is not None:
        yield Result(f"{task.id}: supported", True, f"not: {reason}", time.perf_counter() - begin)
        return
    case = Case(spec, config, task)
    for check in CHECKS:
        title = check.__name__.removeprefix("_").replace("_", " ")
        yield _try(f"{task.id}: {title}", lambda check=check: check(case))  # type: ignore[misc]


def _try(name: str, check: Callable[[], Any]) -> Result:
    begin = time.perf_counter()
    try:
        check()
    except Exception as error:  # an agent's own code: see `run`
        return _failed(name, error, begin)
    return Result(name, True, "", time.perf_counter() - begin)


def _failed(name: str, error: Exception, begin: float) -> Result:
    reason = str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
    return Result(name, False, reason, time.perf_counter() - begin)


def _torch_free(spec: AgentSpec) -> None:
    module = registry.reference(spec.name).partition(":")[0]
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_child_environment())
    require(
        child.returncode == 0, child.stderr.strip() or "importing its spec imports torch, which makes `bench list` slow"
    )


def _child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _config_is_frozen_json_and_knows_no_budget(case: Case) -> None:
    kind = type(case.config)
    require(issubclass(kind, AgentConfig), f"configure() gives a {kind.__name__}, not an AgentConfig")
    require(kind.__dataclass_params__.frozen, "its configuration is not frozen")  # type: ignore[attr-defined]
    json.dumps(as_dict(case.config), allow_nan=False)
    for field in dataclasses.fields(case.config):
        require(
            field.name not in ("budget", "frames", "total_steps", "total_frames"),
            f"field {field.name!r} depends on the budget",
        )
    for scale in get_args(Scale):
        json.dumps(as_dict(case.spec.configure(case.task, scale, {})), allow_nan=False)
    for name, diff in case.spec.variants.items():
        if not isinstance(diff, str):
            registry.resolve(case.spec, case.task, "tiny", diff, {})
        require(":" not in name and "," not in name, f"variant {name!r} cannot be typed on the command line")


def _actions_fit_the_space(case: Case) -> None:
    subject = case.subject().play(3)
    for mode in get_args(Mode):
        for envs in (1, 3):
            policy, counter = subject.agent.policy(envs, 5, mode), Counter(case.task, envs)
            for _ in range(2 * max(LENGTHS)):
                action, extras = policy.act(counter.observe(), counter.at == 0)
                _fits(action, case.task, envs, f"act() in mode {mode!r} with {envs} environments")
                counter.step(action, extras)


def _fits(action: Any, task: Task, envs: int, where: str) -> None:
    require(isinstance(action, np.ndarray), f"{where} gives a {type(action).__name__}, not a numpy array")
    discrete = isinstance(task.action, spaces.Discrete)
    shape, dtype = ((envs,), np.int64) if discrete else ((envs, *task.action.shape), np.float32)  # type: ignore[misc]
    require(
        action.shape == shape and action.dtype == dtype,
        f"{where} gives {action.dtype} {action.shape}, not {dtype.__name__} {shape}",
    )
    inside = all(task.action.contains(row if not discrete else np.int64(row)) for row in action)
    require(inside, f"{where} leaves the action space")


def _the_forecast_has_its_costs(case: Case) -> None:
    for value in case.spec.cost(case.task, case.config) if case.spec.cost else ():
        require(math.isfinite(value) and value >= 0, f"cost() gives {value!r}")


def _rows_that_are_first_start_afresh(case: Case) -> None:
    """Two policies of one seed see different episodes, then the same first observation."""
    agent = case.subject().play(3).agent
    actions = []
    for earlier in (0, 2 * len(LENGTHS)):
        policy, counter = agent.policy(2, 9, "explore"), Counter(case.task, 2)
        counter.episode += earlier
        for _ in range(min(LENGTHS) - 1):
            counter.step(*policy.act(counter.observe(), counter.at == 0))
        actions.append(policy.act(Counter(case.task, 2).observe(), np.ones(2, bool))[0])
    require(np.array_equal(actions[0], actions[1]), "act() with `first` set depends on the episode before")


def _observe_leaves_its_step_alone(case: Case) -> None:
    subject = case.subject()
    counter, kept = subject.counter, []
    for _ in range(2 * max(LENGTHS)):
        action, extras = subject.policy.act(counter.observe(), counter.at == 0)
        step = counter.step(action, extras)
        before = _copy(step)
        mask = subject.agent.observe(step)
        for _ in range(UNITS):
            subject.agent.learn()
        kept.append((before, step))
        envs = len(step.first)
        require(
            mask is None or (mask.dtype == bool and mask.shape == (envs,)),
            f"observe() gives {mask!r}, not None or a bool mask [{envs}]",
        )
        counter.cut(mask)
    for before, step in kept:
        require(
            not difference(before, _copy(step)),
            "observe() or learn() changed the arrays of a step, which are not its own",
        )


def _copy(step: Step) -> list[Any]:
    return [
        {key: value.copy() for key, value in part.items()} if isinstance(part, dict) else part.copy()
        for part in step[:-1]
    ]


def _replay_is_aligned(case: Case) -> None:
    """Of agents that keep a SequenceReplay; others hold the promise by their learning."""
    from bench.agents.common.replay import SequenceReplay

    subject = case.subject()
    if not isinstance(subject.agent.replay, SequenceReplay):
        return
    counter = subject.counter
    seen: dict[int, list[tuple[Observation, np.ndarray, np.ndarray]]] = {}
    for _ in range(3 * max(LENGTHS)):
        action, extras = subject.policy.act(counter.observe(), counter.at == 0)
        step = counter.step(action, extras)
        for env, number in enumerate(step.episode):
            observation = {key: value[env] for key, value in step.observation.items()}
            seen.setdefault(int(number), []).append((observation, action[env], step.reward[env]))
        counter.cut(subject.agent.observe(step))
    replay = subject.agent.replay
    window = replay.gather(replay.starts(1), 1)
    place: dict[int, int] = {}
    for row in np.flatnonzero(~window.last[:, 0]):
        number = int(window.episode[row, 0])
        observation, action, reward = seen[number][place.setdefault(number, 0)]
        place[number] += 1
        stored = {key: value[row, 0] for key, value in window.observation.items()}
        aligned = (
            not difference(observation, stored)
            and np.array_equal(action, window.action[row, 0])
            and reward == window.reward[row, 0]
        )
        require(
            aligned, "the replay's rows do not hold the action chosen on their observation and the reward that followed"
        )
    require(sum(place.values()) == sum(len(steps) for steps in seen.values()), "the replay does not hold every step")


def _learn_stops_and_then_changes_nothing(case: Case) -> None:
    agent = case.subject().play(3).agent
    for _ in range(100_000):
        if not agent.learn():
            break
    else:
        raise Violation("learn() owes more than 100,000 units after 3 steps")
    before = copied(agent.state_dict())
    require(agent.learn() is False, "learn() gave False and then, with nothing observed, not False")
    require(not (where := difference(before, agent.state_dict())), f"learn() owed nothing and changed {where}")


def _the_same_seed_does_the_same(case: Case) -> None:
    _same(case.played, case.subject().play(STEPS), "two agents of one seed", STEPS)


def _same(one: Subject, other: Subject, what: str, steps: int) -> None:
    for back in range(steps, 0, -1):
        require(
            np.array_equal(one.actions[-back], other.actions[-back]),
            f"{what} act differently, {back} steps before the end",
        )
    require(not (where := difference(one.state(), other.state())), f"{what} differ in {where}")


def _evaluation_disturbs_nothing(case: Case) -> None:
    disturbed = case.subject()

    def evaluate(step: int) -> None:
        if step % 40 != 20:
            return
        policy, counter = disturbed.agent.policy(2, 77, "evaluate"), Counter(case.task, 2)
        for _ in range(max(LENGTHS)):
            counter.step(*policy.act(counter.observe(), counter.at == 0))
        disturbed.agent.media()
        disturbed.agent.progress()

    disturbed.play(STEPS, evaluate)
    _same(case.played, disturbed, "training with and without evaluation", STEPS)


def _resumed_equals_uninterrupted(case: Case) -> None:
    whole, after = case.played, STEPS // 3
    killed = case.subject().play(STEPS - after)
    with tempfile.TemporaryDirectory() as folder:
        replay = killed.agent.replay
        manifest = None if replay is None else json.loads(json.dumps(replay.flush(Path(folder))))
        state, place = copied(killed.state()), (killed.counter.at, killed.counter.episode)
        killed.play(5)  # what happens after a checkpoint is not in it
        resumed = case.subject()
        if resumed.agent.replay is not None and manifest is not None:
            resumed.agent.replay.prune(Path(folder), [manifest])
            resumed.agent.replay.restore(Path(folder), manifest)
        resumed.agent.load_state_dict(state["agent"])
        resumed.policy.load_state_dict(state["policy"])
        resumed.counter.at, resumed.counter.episode = place
        resumed.play(after)
    _same(whole, resumed, "an uninterrupted and a resumed agent", after)
    require(whole.agent.updates == resumed.agent.updates, "`updates` is not part of the state")


def _metrics_are_finite_and_states_read_only(case: Case) -> None:
    subject = case.played
    before = copied(subject.state())
    subject.state()
    require(not (where := difference(before, subject.state())), f"calling state_dict() changes {where}")
    for name, value in subject.agent.metrics().items():
        require(isinstance(value, float) and math.isfinite(value), f"metric {name!r} is {value!r}, not a finite float")


def _media_are_videos(case: Case) -> None:
    subject = case.played
    before = copied(subject.agent.state_dict())
    for name, video in subject.agent.media().items():
        fits = isinstance(video, np.ndarray) and video.dtype == np.uint8 and video.ndim == 4 and video.shape[-1] == 3
        require(fits, f"media {name!r} is not uint8 [T, H, W, 3]")
    require(not (where := difference(before, subject.agent.state_dict())), f"media() changes {where}")
    stage, fraction = subject.agent.progress()
    require(bool(stage) and (fraction is None or 0 <= fraction <= 1), f"progress() gives {stage!r}, {fraction!r}")


def _its_world_model_goes_on_where_it_stopped(case: Case) -> None:
    model = case.played.agent.world_model
    if model is None:
        return
    import torch

    context, horizon, batch = 4, 5, 3
    counter, observations, actions, first = Counter(case.task, batch), [], [], []
    rng = np.random.default_rng(0)
    for _ in range(context + horizon):
        first.append(counter.at == 0)
        observations.append(counter.observe())
        actions.append(_draw(case.task, rng, batch))
        counter.step(actions[-1], None)
    seen = {key: torch.from_numpy(np.stack([o[key] for o in observations[:context]], 1)) for key in observations[0]}
    action = torch.from_numpy(np.stack(actions, 1))
    flags = torch.from_numpy(np.stack(first[:context], 1))
    generator = torch.Generator().manual_seed(0)
    state = model.encode(seen, action[:, : context - 1], flags)
    future = action[:, context - 1 : context - 1 + horizon]
    whole = model.imagine(state, future, generator, sample=False)
    part = model.imagine(state, future[:, :2], generator, sample=False)
    rest = model.imagine(part.state, future[:, 2:], generator, sample=False)
    says = model.predicts
    require(whole.feature.shape == (batch, horizon, says.feature_size), f"features are {tuple(whole.feature.shape)}")
    for name, predicted in (("reward", says.reward), ("continuation", says.continuation)):
        value = getattr(whole, name)
        require((value is not None) == predicted, f"`predicts.{name}` is {predicted} and the dream says otherwise")
        require(value is None or value.shape == (batch, horizon), f"{name} is not [B, H]")
    require(set(whole.observation or {}) == set(says.decodes), "`predicts.decodes` and the dream's observations differ")
    joined = torch.cat([part.feature, rest.feature], dim=1)
    require(
        torch.allclose(joined, whole.feature, atol=1e-5), "imagine(h1 + h2) differs from imagine(h2) after imagine(h1)"
    )


def _draw(task: Task, rng: np.random.Generator, count: int) -> np.ndarray:
    if isinstance(task.action, spaces.Discrete):
        return rng.integers(task.action.n, size=count)
    return rng.uniform(-1, 1, (count, *task.action.shape)).astype(np.float32)


CHECKS = (
    _config_is_frozen_json_and_knows_no_budget,
    _the_forecast_has_its_costs,
    _actions_fit_the_space,
    _rows_that_are_first_start_afresh,
    _observe_leaves_its_step_alone,
    _replay_is_aligned,
    _learn_stops_and_then_changes_nothing,
    _the_same_seed_does_the_same,
    _evaluation_disturbs_nothing,
    _resumed_equals_uninterrupted,
    _metrics_are_finite_and_states_read_only,
    _media_are_videos,
    _its_world_model_goes_on_where_it_stopped,
)
