"""What a run's process takes of its machine: memory at most, and cores on the average."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

CONTEXT = 600_000_000  # bytes that CUDA itself is counted with per process: no allocator of ours sees them


class Use(NamedTuple):
    """What one run takes."""

    memory: float  # bytes of the host, at most
    card: float  # bytes of its GPU, at most; 0 on a CPU
    cores: float  # processor seconds per second


class Meter:
    """Measures this process from its making on."""

    def __init__(self, device: str):
        self._device, self._clock, self._processor = device, time.monotonic(), time.process_time()

    def use(self) -> Use:
        elapsed = max(time.monotonic() - self._clock, 1e-9)
        return Use(peak_memory(), peak_card(self._device), (time.process_time() - self._processor) / elapsed)


def peak_memory() -> int:
    """Bytes resident at most so far in this process.

    Not `getrusage`'s where /proc is: that one starts from what the parent had when it made this process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_card(device: str) -> int:
    """Bytes of the GPU this process held at most so far; 0 on a CPU."""
    if device == "cpu":
        return 0
    import torch

    return torch.cuda.max_memory_reserved(device) + CONTEXT
