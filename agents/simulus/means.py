"""Means of what updates report, added up on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.agents.api import State


class Means:
    """Numbers that are not finite are left out: their update was skipped, which is counted elsewhere."""

    def __init__(self, device: str):
        self.device = device
        self.totals: dict[tuple[str, ...], Tensor] = {}  # [2, n] per kind of report: sums, and of how many numbers

    def add(self, report: dict[str, Tensor]) -> None:
        """0-d tensors. Never waits for the device."""
        values = torch.stack(list(report.values()))
        finite = values.isfinite()
        new = torch.stack([torch.where(finite, values, 0.0), finite.to(values.dtype)])
        names = tuple(report)
        self.totals[names] = self.totals[names] + new if names in self.totals else new

    def take(self) -> dict[str, float]:
        """Since the last call. Waits for the device."""
        means = {}
        for names, totals in self.totals.items():
            for name, total, count in zip(names, *totals.tolist(), strict=True):
                if count:
                    means[name] = total / count
        self.totals = {}
        return means

    def state_dict(self) -> State:
        return {"totals": [(list(names), totals) for names, totals in self.totals.items()]}

    def load_state_dict(self, state: State) -> None:
        self.totals = {tuple(names): totals.to(self.device) for names, totals in state["totals"]}
