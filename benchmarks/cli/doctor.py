"""`bench doctor`: what works on this machine, and the line that mends what does not."""

from __future__ import annotations

import importlib
from importlib import metadata

# What each part of the suite needs: (distribution, module, what for).
_NEEDS = (
    ("torch", "torch", "learning agents"),
    ("ale-py", "ale_py", "atari"),
    ("dm-control", "dm_control", "dmc-state, dmc-vision"),
    ("box2d", "Box2D", "carracing"),
    ("rliable", "rliable", "the page's statistics"),
    ("matplotlib", "matplotlib", "the page's figures"),
    ("jinja2", "jinja2", "the page"),
    ("imageio-ffmpeg", "imageio_ffmpeg", "videos"),
    ("optuna", "optuna", "tuning"),
    ("cma", "cma", "evolution strategies"),
)


def doctor() -> None:
    """Check the machine, the simulators, the report's packages and every plug-in. Never crashes on a broken one.

    [dim]bench doctor[/dim]
    """
    from bench.agents import registry
    from bench.benchmarks import provenance, suites
    from bench.envs import registry as envs

    print(f"processor: {provenance.processor()}, {provenance.cores()} usable cores")
    print(f"GPU: {_gpu()}")
    for distribution, module, purpose in _NEEDS:
        print(f"{distribution}: {_state(distribution, module)} ({purpose})")
    for protocol in ("toy", "atari", "dmc-state", "dmc-vision", "carracing", "takecover"):
        example = next(task for task in envs.known() if task.startswith(f"{protocol}/"))
        print(f"tasks {protocol}/*: {envs.missing(example) or 'ready'}")
    for kind, module_ in (("agent", registry), ("suite", suites)):
        broken = module_.broken()
        for name in module_.names():
            print(f"{kind} {name}: {broken.get(name, 'ready')}")


def _state(distribution: str, module: str) -> str:
    try:
        importlib.import_module(module)
    except ImportError as error:
        return f"not usable, {error}; pip install {distribution}"
    return metadata.version(distribution)


def _gpu() -> str:
    try:
        import torch
    except ImportError:
        return "unknown without torch"
    if not torch.cuda.is_available():
        return "none"
    return ", ".join(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count()))
