"""NVIDIA's Multi-Process Service: a daemon through which several processes use a GPU at the same time, not in turns."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
PATIENCE = 5.0  # seconds for the daemon to start


@contextmanager
def daemon(seconds: float = PATIENCE) -> Iterator[dict[str, str] | None]:
    """What the environment of its clients needs; None where it does not start in time. It has folders of its own, so
    that no other daemon is touched, and ends with the block."""
    control = shutil.which(CONTROL)
    if control is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        client = {f"CUDA_MPS_{name}_DIRECTORY": str(Path(folder, name)) for name in ("PIPE", "LOG")}
        for path in client.values():
            Path(path).mkdir()
        environment = {**os.environ, **client}
        try:
            started = _answers([control, "-d"], "", environment, seconds)
            yield client if started and _answers([control], "get_server_list\n", environment, seconds) else None
        finally:
            _answers([control], "quit\n", environment, seconds)


def _answers(command: list[str], said: str, environment: Mapping[str, str], seconds: float) -> bool:
    try:
        done = subprocess.run(command, input=said, text=True, capture_output=True, env=environment, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
