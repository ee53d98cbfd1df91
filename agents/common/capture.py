"""CUDA graphs: a function of tensors whose shapes do not change, recorded once and launched as one from then on.

On a CPU, and where capturing failed, the function is simply called. On a GPU its first calls are real ones on a side
stream, so that whatever is built lazily exists; then one is captured, during which nothing runs, and that call and all
later ones copy their inputs into the tensors it was captured with and replay it. What a replay cannot change is the
host's part: a captured function counts nothing, re-binds nothing that it reads, and takes what the host decides as an
argument. Its inputs and results are tensors, nested in dicts, lists and (named) tuples; any other argument is part of
which graph is meant. Generators are registered with the graph: a replay draws what an eager call would, and restoring
a generator's state needs no new capture. Restoring an optimiser re-binds its tensors, so an agent's `load_state_dict`
calls `Capture.drop`.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

WARM_UP = 3  # real calls before the capture
GRAPHS = 8  # of one function; each holds memory of its own, and further shapes run eagerly

Call = partial[Any]  # of what an agent captured


class Backend(Protocol):
    """What records and replays."""

    def warm(self, call: Call) -> Any:
        """Call it, as often as is needed before a capture."""

    def capture(self, call: Call, generators: Sequence[Generator]) -> tuple[Any, Callable[[], None]]:
        """What it returned, in tensors that every `replay` fills anew, and `replay`. RuntimeError where it cannot."""


class CUDAGraphs:
    def __init__(self, device: str):
        self.stream = torch.cuda.Stream(device)

    def warm(self, call: Call) -> Any:
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            found = call()
        current.wait_stream(self.stream)
        return found

    def capture(self, call: Call, generators: Sequence[Generator]) -> tuple[Any, Callable[[], None]]:
        device = self.stream.device
        with torch.cuda.device(device):
            graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
            for generator in generators:
                graph.register_generator_state(generator)
            try:
                with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may ask the driver
                    found = call()
            except RuntimeError:  # leaves the capturing stream current, and generators that think they are captured
                torch.cuda.set_stream(current)
                for generator in (*generators, torch.cuda.default_generators[device.index]):
                    generator.graphsafe_set_state(generator.clone_state())
                raise
        return found, graph.replay


class Capture:
    """How one agent's functions become graphs, and its text what came of it: "graphs", "eager" or "eager: why"."""

    def __init__(self, device: str):
        self.backend: Backend | None = None if device == "cpu" else CUDAGraphs(device)
        self.failed = ""  # why
        self._functions: weakref.WeakSet[Captured] = weakref.WeakSet()

    def __call__(self, function: Callable[..., Any], *generators: Generator) -> Captured:
        """`function` as a graph. generators: those that it draws from beside the ones among its arguments."""
        captured = Captured(self, function, generators)
        self._functions.add(captured)
        return captured

    def drop(self) -> None:
        """Capture everything anew: tensors that graphs read are others now."""
        for function in self._functions:
            function.forget()

    def fail(self, function: Callable[..., Any], error: RuntimeError) -> None:
        """Call everything eagerly from now on. The memory that ran out is nobody's failure but the run's: raised."""
        for cause in (error, error.__context__):  # the end of a broken capture hides what broke it
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause
        name = getattr(function, "func", function).__qualname__  # of a partial one what it is made from
        self.backend, self.failed = None, f"{name}: {str(error.__context__ or error).partition(chr(10))[0]}"
        self.drop()
        warnings.warn(f"no CUDA graphs, the run goes on eagerly: {self.failed}", stacklevel=3)

    def __str__(self) -> str:
        if self.backend is not None:
            return "graphs"
        return f"eager: {self.failed}" if self.failed else "eager"


class Captured:
    """A function, with one graph per shape of its inputs."""

    def __init__(self, capture: Capture, function: Callable[..., Any], generators: tuple[Generator, ...]):
        self._capture, self._function, self._generators = capture, function, generators
        self.forget()

    def forget(self) -> None:
        self._graphs: dict[Hashable, _Graph] = {}
        self._calls: dict[Hashable, int] = {}  # real ones so far

    def __call__(self, *inputs: Any) -> Any:
        """As the function itself; results are the caller's own."""
        backend = self._capture.backend
        if backend is None:
            return self._function(*inputs)
        key = _key(inputs)
        if key in self._graphs:
            return self._graphs[key](inputs)
        if len(self._graphs) == GRAPHS:
            return self._function(*inputs)
        self._calls[key] = self._calls.get(key, 0) + 1
        if self._calls[key] <= WARM_UP:
            return backend.warm(partial(self._function, *inputs))
        generators = {*self._generators, *(each for each in inputs if isinstance(each, Generator))}
        try:
            graph = _Graph(backend, self._function, inputs, list(generators))
        except RuntimeError as error:  # the same call has worked: what fails now is the capture
            self._capture.fail(self._function, error)
            return self._function(*inputs)
        self._graphs[key] = graph
        return graph(inputs)


class _Graph:
    """A function captured on tensors of its own."""

    def __init__(self, backend: Backend, function: Callable[..., Any], inputs: Any, generators: list[Generator]):
        self._inputs = _mapped(inputs, torch.empty_like)
        _copy(inputs, self._inputs)
        self._outputs, self._replay = backend.capture(partial(function, *self._inputs), generators)

    def __call__(self, inputs: Any) -> Any:
        _copy(inputs, self._inputs)
        self._replay()
        return _mapped(self._outputs, lambda tensor: tensor.detach().clone())


def _key(tree: Any) -> Hashable:
    """What two inputs of one graph have in common."""
    if isinstance(tree, Tensor):
        return tree.shape, tree.dtype
    if isinstance(tree, dict):
        return tuple((key, _key(value)) for key, value in tree.items())
    return tuple(map(_key, tree)) if isinstance(tree, tuple | list) else tree


def _mapped(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The tree with other tensors."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, dict):
        return {key: _mapped(value, change) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [_mapped(part, change) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return tree


def _copy(source: Any, target: Any) -> None:
    """Every tensor of one tree into that of another, all in one launch."""
    if tensors := _tensors(source):
        torch._foreach_copy_(_tensors(target), tensors)


def _tensors(tree: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _mapped(tree, lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    return found
