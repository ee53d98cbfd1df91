"""The host-synchronisation check: run an update, a plan or an imagination step under `no_host_sync`, and it fails where
the host would wait for the device, on a CPU as well.

What a captured graph cannot hold: operations that need a value on the host (`item` and its kin), shapes that depend on
data (`nonzero`, `masked_select`, boolean indexing), and copies to the host. On a CPU a copy to the host is no operation
at all, so two modes look: one at the operators PyTorch dispatches, one at the functions the code calls. What they
cannot see on a CPU is `to` with a device object, which may as well be the tensor's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class HostSync(AssertionError):
    """Code that has to run without waiting for the device waited for it."""


@contextmanager
def no_host_sync() -> Iterator[None]:
    """Raise HostSync at the first operation inside that makes the host wait, its traceback pointing at the line."""
    with _Functions(), _Operators():
        yield


_VALUES = {aten._local_scalar_dense, aten.equal, aten.allclose, aten.is_nonzero, aten.item}
_SHAPES = {aten.nonzero, aten.masked_select, aten._unique, aten._unique2, aten.unique_dim, aten.unique_consecutive,
           aten.unique_dim_consecutive, aten.argwhere}  # fmt: skip
_INDEXING = {
    aten.index,
    aten.index_put,
    aten.index_put_,
    aten._index_put_impl_,
    aten._unsafe_index,
    aten._unsafe_index_put,
}
_TO_HOST = {torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__}


class _Operators(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        if packet in _VALUES:
            raise HostSync(f"{packet} needs a tensor's value on the host (item, float, bool, if tensor, tolist)")
        if packet in _SHAPES:
            raise HostSync(f"{packet} has a result whose shape depends on data; use torch.where or a mask")
        if packet in _INDEXING and any(_is_mask(index) for index in args[1]):
            raise HostSync(f"{packet} is indexed by a boolean mask; use torch.where")
        if packet is aten.repeat_interleave and "output_size" not in kwargs and isinstance(args[-1], torch.Tensor):
            raise HostSync("repeat_interleave of a tensor of counts needs output_size")
        if packet is aten._to_copy and str(kwargs.get("device")) == "cpu" and args[0].device.type != "cpu":
            raise HostSync("a copy from the device to the host")
        return func(*args, **kwargs)


class _Functions(TorchFunctionMode):
    """Sees copies to the host that are none on a CPU and therefore dispatch nothing."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _TO_HOST:
            raise HostSync(f"Tensor.{func.__name__} copies to the host")
        if func is torch.Tensor.to and "cpu" in (kwargs.get("device"), *(a for a in args[1:2] if isinstance(a, str))):
            raise HostSync('Tensor.to("cpu") copies to the host')
        return func(*args, **kwargs)


def _is_mask(index: Any) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)
