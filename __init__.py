"""bench: a comparative benchmark suite for world-model agents.

`bench.load_agent(run)` gives a trained agent, `bench.results.load(runs)` a pandas frame of everything measured.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`load_agent`, imported when it is asked for: importing bench imports nothing heavy."""
    if name == "load_agent":
        from bench.benchmarks.trained import load_agent

        return load_agent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
