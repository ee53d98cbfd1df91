"""`bench list`: what there is."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.benchmarks.errors import RequestError, nearest

KINDS = ("agents", "suites", "tasks", "published", "papers")


def list_(kind: Annotated[str, typer.Argument(help="agents, suites, tasks, published or papers.")]) -> None:
    """List agents, suites, tasks, the agents whose published scores are shipped, or the papers' tables.

    [dim]bench list agents[/dim]

    [dim]bench list tasks[/dim]
    """
    if kind not in KINDS:
        raise RequestError(f"nothing to list under {kind!r}.{nearest(kind, KINDS)} Known: {', '.join(KINDS)}")
    listings = {"agents": _agents, "suites": _suites, "tasks": _tasks, "published": _published, "papers": _papers}
    rows = listings[kind]()
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        print(f"{name:<{width}}  {text}".rstrip())


def _agents() -> list[tuple[str, str]]:
    from bench.agents import registry

    broken = registry.broken()
    return [
        (name, f"broken: {broken[name]}" if name in broken else registry.get(name).summary) for name in registry.names()
    ]


def _suites() -> list[tuple[str, str]]:
    from bench.benchmarks import suites

    broken = suites.broken()
    rows = [(name, suites.get(name)) for name in suites.names() if name not in broken]
    return [
        *(
            (name, f"{len(suite.tasks)} tasks, {suite.budgets['paper'].frames:,} frames: {suite.measures}")
            for name, suite in rows
        ),
        *((name, f"broken: {reason}") for name, reason in broken.items()),
    ]


def _tasks() -> list[tuple[str, str]]:
    from bench.benchmarks import suites
    from bench.envs import registry

    broken = suites.broken()
    uses: dict[str, list[str]] = {}
    for name in suites.names():
        if name not in broken:
            for task in suites.get(name).tasks:
                uses.setdefault(task, []).append(name)
    return [(task, ", ".join(uses.get(task, []))) for task in registry.known()]


def _published() -> list[tuple[str, str]]:
    from bench.results import published

    counts: dict[str, set[str]] = {}
    for score in published.scores():
        counts.setdefault(score.agent, set()).add(score.task)
    return [(agent, f"{len(tasks)} tasks") for agent, tasks in sorted(counts.items())]


def _papers() -> list[tuple[str, str]]:
    from bench.report.papers import PAPERS

    return [(name, f"{paper.title} ({paper.source})") for name, paper in PAPERS.items()]
