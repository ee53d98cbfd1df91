"""Percentiles on the device: torch.quantile waits for the device's answer to whether its fractions are fractions."""

from __future__ import annotations

import torch
from torch import Tensor


def percentiles(values: Tensor, *fractions: float) -> Tensor:
    """One number per fraction of all values [...], linear between neighbours."""
    ordered = values.flatten().sort().values
    found = []
    for fraction in fractions:
        place = fraction * (len(ordered) - 1)
        below = int(place)
        found.append(torch.lerp(ordered[below], ordered[min(below + 1, len(ordered) - 1)], place - below))
    return torch.stack(found)
