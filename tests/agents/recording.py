"""A CUDA graph for machines without one: the operators of one call, executed again on the very same tensors.

What a real graph would not do again (count, decide, re-bind, take a tensor from elsewhere) is not done again here, so a
function that must not be captured gives other numbers at the second replay than an eager call does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench.agents.common.hostsync import no_host_sync


class Recorder:
    """In the place of `CUDAGraphs`. A capture runs nothing on a GPU; here it is the call itself, and the replay that
    follows it does nothing."""

    def __init__(self) -> None:
        self.replays: Counter[str] = Counter()  # by the function's name

    def warm(self, call: partial[Any]) -> Any:
        return call()

    def capture(self, call: partial[Any], generators: Sequence[Generator]) -> tuple[Any, Callable[[], None]]:
        with no_host_sync(), _Recording() as recording:
            found = call()
        if drawn := recording.generators - {generator._cdata for generator in generators}:
            raise RuntimeError(f"{len(drawn)} generators are not registered")
        fresh = True

        def replay() -> None:
            nonlocal fresh
            if not fresh:
                recording.replay()
                self.replays[call.func.__name__] += 1
            fresh = False

        return found, replay


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []
        self.generators: set[int] = set()  # where they lie: operators see other Python objects

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if func.namespace == "aten":  # others are the profiler's
            self.calls.append((func, args, kwargs, _tensors(found)))
            self.generators |= {each._cdata for each in (*args, *kwargs.values()) if isinstance(each, Generator)}
        return found

    @torch.inference_mode()
    def replay(self) -> None:
        for func, args, kwargs, results in self.calls:
            for held, new in zip(results, _tensors(func(*args, **kwargs)), strict=True):
                if held.data_ptr() != new.data_ptr():  # else a view, or what the operator wrote into
                    held.copy_(new)


def _tensors(found: Any) -> list[Tensor]:
    """What an operator returned: a tensor, some, lists of them, or nothing."""
    if isinstance(found, Tensor):
        return [found]
    return [tensor for part in found or () for tensor in _tensors(part)] if isinstance(found, tuple | list) else []
