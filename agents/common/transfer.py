"""Arrays of the host as tensors on the device, sent without waiting for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def tensor(array: np.ndarray | Tensor, device: str) -> Tensor:
    """On a GPU through page-locked memory, so that the host goes on; a tensor is returned as it is."""
    if isinstance(array, Tensor):
        return array
    held = torch.from_numpy(np.ascontiguousarray(array))
    return held if device == "cpu" else held.pin_memory().to(device, non_blocking=True)


def tensors(arrays: Mapping[str, Any], device: str) -> dict[str, Tensor]:
    return {key: tensor(array, device) for key, array in arrays.items()}
