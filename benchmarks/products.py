"""The matrix products inside a piece of torch code, and the same products alone: what the rest of the code costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten
_PRODUCTS = {aten.linear, aten.mm, aten.addmm, aten.bmm, aten.baddbmm, aten.convolution, aten.convolution_backward}


class Products(TorchDispatchMode):
    """Notes, inside its `with`, every matrix product and convolution with its operands, backward ones included."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[], Any]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket in _PRODUCTS:
            self.calls.append(lambda: func(*args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))

    def replay(self) -> None:
        """The same products again, one after the other, and nothing else."""
        with torch.no_grad():
            for call in self.calls:
                call()

    @property
    def flops(self) -> float:
        with FlopCounterMode(display=False) as counter:
            self.replay()
        return counter.get_total_flops()
