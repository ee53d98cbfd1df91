"""Each agent family owns 45 core-seconds of `make test`: this plug-in adds up what its tests take and fails above it.

A family's tests lie in tests/agents/<family>/. Their names say which share they use: test_learning* 20 s, test_resume*
10 s, all others 15 s. Processor time counts, children included, not the clock. Under pytest-xdist the workers' times
are added up.
"""

from __future__ import annotations

import importlib
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHARES = {"numerics and conformance": 15.0, "learning": 20.0, "resume": 10.0}  # core-seconds
spent: pytest.StashKey[dict[tuple[str, str], float]] = pytest.StashKey()


def share(path: Path) -> tuple[str, str] | None:
    """(family, share) of a test file; None where it belongs to no family."""
    parts = path.parts
    if "agents" not in parts[:-2] or parts[-3] != "agents":
        return None
    stem = path.stem.removeprefix("test_")
    named = next((name for name in ("learning", "resume") if stem.startswith(name)), "numerics and conformance")
    return parts[-2], named


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_configure(config: pytest.Config) -> None:
    config.stash[spent] = defaultdict(float)


def pytest_collection_finish(session: pytest.Session) -> None:
    """The first optimizer of a process imports torch's compiler, two seconds that belong to no family."""
    if any(share(item.path) for item in session.items) and not session.config.option.collectonly:
        importlib.import_module("torch._dynamo")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    begin = processor_seconds()
    result = yield
    if (owner := share(item.path)) and not item.get_closest_marker("slow"):
        item.config.stash[spent][owner] += processor_seconds() - begin
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Of a worker of pytest-xdist that ends: what it ran is added up here."""
    for family, name, seconds in getattr(node, "workeroutput", {}).get("spent", []):
        node.config.stash[spent][family, name] += seconds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    used = config.stash[spent]
    if not used:
        return
    terminalreporter.section("core-seconds per agent family")
    for (family, name), seconds in sorted(used.items()):
        over = "  OVER" if seconds > SHARES[name] else ""
        terminalreporter.write_line(f"{family:<20} {name:<26} {seconds:6.1f} of {SHARES[name]:4.0f}{over}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    used = session.config.stash[spent]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["spent"] = [(*owner, seconds) for owner, seconds in used.items()]
    elif exitstatus == 0 and any(seconds > SHARES[name] for (_, name), seconds in used.items()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
