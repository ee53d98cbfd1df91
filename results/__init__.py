"""The run store, and the published and measured scores. `load` needs pandas; nothing else here does."""

from __future__ import annotations

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from bench.results.frame import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
