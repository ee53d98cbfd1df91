"""Arrays of the host as tensors on the device, sent without waiting for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Device = str | torch.device


def on_gpu(device: Device) -> bool:
    return torch.device(device).type == "cuda"


def staged(array: np.ndarray, device: Device) -> Tensor:
    """On the host; for a GPU in page-locked memory, which a copy can leave without the host's waiting."""
    held = torch.from_numpy(np.ascontiguousarray(array))
    return held.pin_memory() if on_gpu(device) else held


def tensor(array: np.ndarray | Tensor, device: Device) -> Tensor:
    """On the device; a tensor has to lie there already."""
    return array if isinstance(array, Tensor) else staged(array, device).to(device, non_blocking=True)


def tensors(arrays: Mapping[str, Any], device: Device) -> dict[str, Tensor]:
    return {key: tensor(array, device) for key, array in arrays.items()}
