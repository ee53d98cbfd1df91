"""Where a number came from: commit, versions, hardware. Facts about the run, never about who ran it or in which
folder."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_LIBRARIES = ("numpy", "torch", "gymnasium", "ale-py", "dm-control", "mujoco", "box2d", "envpool", "omegaconf")


def _git(*args: str) -> str | None:
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(root), *args], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def processor() -> str:
    """The processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the platform module's word must do
    return platform.processor() or platform.machine()


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Installed versions of what a result can depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def device_kind(device: str) -> str:
    """ "cpu: MODEL" or the GPU's name."""
    if device == "cpu":
        return f"cpu: {processor()}"
    import torch

    return str(torch.cuda.get_device_name(device))


def session(device: str, start: str) -> dict[str, Any]:
    """One entry of run.json's `sessions`, still without its end."""
    return {
        "command": os.environ.get("BENCH_COMMAND") or " ".join(["bench", *sys.argv[1:]]),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if (changes := _git("status", "--porcelain", "--untracked-files=no")) is None else bool(changes),
        "versions": versions(),
        "hardware": {"device": device_kind(device), "cores": cores(), "system": platform.system()},
        "start": start,
        "end": None,
    }
