"""Which suites exist: ours by textual reference, everybody else's by an entry point of group `bench.suites`.

A suite is one `bench.results.schema.Suite`. Nothing is imported until it is asked for, and nothing here imports torch.
A plug-in that fails breaks no listing: `names` shows it, `broken` says why, `get` raises that reason.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import NamedTuple

from bench.agents.common.names import unknown
from bench.results.schema import Suite

GROUP = "bench.suites"
BUILTIN = {
    "atari100k": "bench.benchmarks.suites.atari100k:suite",
    "carracing": "bench.benchmarks.suites.carracing:suite",
    "demo": "bench.benchmarks.suites.demo:suite",
    "dmc": "bench.benchmarks.suites.dmc:suite",
    "dmc-pixels": "bench.benchmarks.suites.dmc_pixels:suite",
    "dmc-proprio": "bench.benchmarks.suites.dmc_proprio:suite",
    "dmc-vision": "bench.benchmarks.suites.dmc_vision:suite",
    "takecover": "bench.benchmarks.suites.takecover:suite",
    "toy": "bench.benchmarks.suites.toy:suite",
}


class UnknownSuite(LookupError):
    """No suite of that name; the message names the nearest ones."""


class BrokenSuite(ImportError):
    """A suite's plug-in is declared and cannot be used; the message says why."""


class _Entry(NamedTuple):
    owner: str
    reference: str  # "module:attribute"


def names() -> list[str]:
    """Every declared suite, sorted, broken plug-ins included; imports none. BrokenSuite where two own one name."""
    return sorted(_entries())


def get(name: str) -> Suite:
    """The suite. UnknownSuite, or BrokenSuite where its plug-in fails."""
    entries = _entries()
    if name not in entries:
        raise UnknownSuite(unknown("suite", name, entries, "bench list suites"))
    owner, reference = entries[name]
    module, _, attribute = reference.partition(":")
    try:
        suite = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # third-party code: whatever it raises is the reason we report
        reason = f"{type(error).__name__}: {error}"
        raise BrokenSuite(f"suite {name!r} of {owner} ({reference}) fails at import: {reason}") from error
    if not isinstance(suite, Suite):
        raise BrokenSuite(f"suite {name!r} of {owner}: {reference} is a {type(suite).__name__}, not a Suite")
    if suite.name != name:
        raise BrokenSuite(f"suite {name!r} of {owner}: {reference} calls itself {suite.name!r}")
    return suite


def broken() -> dict[str, str]:
    """The declared suites that cannot be used, with the reason."""
    reasons = {}
    for name in names():
        try:
            get(name)
        except BrokenSuite as error:
            reasons[name] = str(error)
    return reasons


def _entries() -> dict[str, _Entry]:
    entries = {name: _Entry("bench", reference) for name, reference in BUILTIN.items()}
    for point in metadata.entry_points(group=GROUP):
        entry = _Entry(point.dist.name if point.dist else "an unnamed package", point.value)
        other = entries.setdefault(point.name, entry)
        if other != entry:
            raise BrokenSuite(
                f"suite {point.name!r} has two owners: {other.owner} ({other.reference}) and {entry.owner} "
                f"({entry.reference}). Uninstall one of them, or rename its entry point."
            )
    return entries
