"""`bench show`: one agent, suite or run, whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from bench.benchmarks.cli import options
from bench.benchmarks.errors import RequestError, nearest


def show(
    name: Annotated[str, typer.Argument(help="An agent[:variant], a suite or a run folder.")],
    scale: options.ScaleName = "paper",
    task: Annotated[str, typer.Option(help="The task whose settings are shown.")] = "toy/reach",
) -> None:
    """An agent's configuration (another scale as the difference to paper), a suite's card, or a run's record.

    [dim]bench show decqn --scale tiny[/dim]

    [dim]bench show atari100k[/dim]
    """
    from bench.agents import registry
    from bench.benchmarks import suites

    if (Path(name) / "run.json").exists():
        _run(Path(name))
    elif name.partition(":")[0] in registry.names():
        _agent(name, scale, task)
    elif name in suites.names():
        _suite(name)
    else:
        known = [*registry.names(), *suites.names()]
        raise RequestError(f"no agent, suite or run folder {name!r}.{nearest(name, known)} Known: {', '.join(known)}")


def _agent(label: str, scale: str, task_id: str) -> None:
    from typing import get_args

    from bench.agents import registry
    from bench.agents.api import Scale
    from bench.agents.common.config import as_dict
    from bench.benchmarks import plan
    from bench.envs import registry as envs
    from bench.envs.base import UnknownTask

    if scale not in get_args(Scale):
        raise RequestError(
            f"unknown scale {scale!r}.{nearest(scale, get_args(Scale))} Known: {', '.join(get_args(Scale))}"
        )
    try:
        spec, _, diff = registry.parse(label)
        task = envs.task(envs.resolve(task_id))
        config = {s: _flat(as_dict(registry.resolve(spec, task, cast(Scale, s), diff, {}))) for s in ("paper", scale)}
    except (registry.UnknownAgent, registry.BrokenAgent, registry.ConfigError, UnknownTask) as error:
        raise RequestError(str(error)) from error
    print(f"{label}: {spec.summary}")
    if spec.source:
        print(f"source: {spec.source}")
    if spec.variants:
        print(
            "variants: "
            + ", ".join(f"{v} ({d if isinstance(d, str) else json.dumps(dict(d))})" for v, d in spec.variants.items())
        )
    reason = spec.supports(task, registry.resolve(spec, task, cast(plan.Scale, scale), diff, {}))
    print(f"on {task.id} at scale {scale}" + (f": not supported, {reason}" if reason else ""))
    for field, value in config[scale].items():
        if scale == "paper":
            print(f"  {field} = {value}")
        elif value != config["paper"][field]:
            print(f"  {field} = {value}  (paper: {config['paper'][field]})")
    if scale != "paper" and config[scale] == config["paper"]:
        print("  as paper")


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _suite(name: str) -> None:
    from bench.benchmarks import suites

    suite = suites.get(name)
    print(f"{name}: {suite.measures}\nsource: {suite.source}\ncitation: {suite.citation}")
    print(f"score: {suite.rule}, {suite.unit}; normalised between {' and '.join(suite.reference_names)}")
    for scale, budget in suite.budgets.items():
        print(
            f"{scale}: {budget.frames:,} frames, {budget.episodes} evaluation episodes every {budget.every:,}, "
            f"{budget.final_episodes} at the end"
        )
    for label, names in (("published agents", suite.published), ("published tables", suite.published_tables)):
        if names:
            print(f"{label}: {', '.join(names)}")
    print(f"{len(suite.tasks)} tasks:")
    for task in suite.tasks:
        low_high = suite.references.get(task)
        text = (
            f"  {suite.reference_names[0]} {low_high[0]:g}, {suite.reference_names[1]} {low_high[1]:g}"
            if low_high
            else ""
        )
        own = suite.task_budgets.get(task, {}).get("paper")
        print(f"  {task}{text}" + (f"  {own.frames:,} frames" if own else ""))


def _run(path: Path) -> None:
    from bench.results import reader
    from bench.results.schema import Evaluation

    try:
        run = reader.load(path)
    except ValueError as error:
        raise RequestError(str(error)) from error
    print(run.record.to_json().rstrip())
    for event in run.events():
        if isinstance(event, Evaluation):
            mean = sum(event.returns) / len(event.returns)
            print(f"{event.at.frames:>12,} frames: {event.mode} {mean:,.2f} over {len(event.returns)} episodes")
