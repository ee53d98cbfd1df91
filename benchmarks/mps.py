"""NVIDIA's Multi-Process Service: a daemon through which several processes use a GPU at the same time, not in turns."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
PATIENCE = 5.0  # seconds for the daemon and its server to start


@contextmanager
def daemon(seconds: float = PATIENCE) -> Iterator[dict[str, str] | None]:
    """What the environment of its clients needs; None where no server of it runs in time. It has folders of its own, so
    that no other daemon is touched, and ends with the block."""
    control = shutil.which(CONTROL)
    if control is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        client = {f"CUDA_MPS_{name}_DIRECTORY": str(Path(folder, name)) for name in ("PIPE", "LOG")}
        for path in client.values():
            Path(path).mkdir()
        # the clients' own choice of cards counts; a daemon with one too would number them anew
        environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"} | client
        end = time.monotonic() + seconds
        started = _started([control, "-d"], environment, seconds)
        try:
            serving = started and _asked(control, f"start_server -uid {os.getuid()}", environment, end) is not None
            while serving and not _asked(control, "get_server_list", environment, end) and time.monotonic() < end:
                time.sleep(0.1)
            yield client if serving and time.monotonic() < end else None
        finally:
            if started and _asked(control, "quit", environment, time.monotonic() + PATIENCE) is None:
                warnings.warn("the MPS daemon that was started for packed runs did not end", stacklevel=2)


def _started(command: list[str], environment: Mapping[str, str], seconds: float) -> bool:
    quiet = subprocess.DEVNULL  # a daemon would keep a pipe open
    try:
        done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, env=environment, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _asked(control: str, said: str, environment: Mapping[str, str], end: float) -> str | None:
    """The daemon's answer; None where it refused, or was silent until `end`."""
    left = max(end - time.monotonic(), 0.01)
    try:
        done = subprocess.run([control], input=said, text=True, capture_output=True, env=environment, timeout=left)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
