"""A trained agent from a run folder, to evaluate or to look into. It trains no further."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np

from bench.agents.api import Agent, Mode
from bench.benchmarks.chance import APART
from bench.benchmarks.evaluation import Evaluator
from bench.benchmarks.run_one import pin_threads
from bench.envs.vector import VectorTask
from bench.results import checkpoints, reader
from bench.results.reader import Run
from bench.results.schema import At, Evaluation

EVALUATION = 5  # in the seed key: other episodes than those evaluated during training


def load_agent(folder: str | Path, device: str = "cpu") -> Agent:
    """The agent of a run as its newest readable checkpoint has it, without its replay. ValueError where there is
    none."""
    return _load(Path(folder), device)[1]


def _load(path: Path, device: str) -> tuple[Run, Agent, At]:
    from bench.benchmarks.trainer import build_agent

    run = reader.load(path)
    pin_threads(run.record.runtime.threads)
    found, problems = checkpoints.candidates(path)
    for checkpoint in found:
        try:
            parts = checkpoint.read()
        except ValueError as error:
            problems.append(str(error))
            continue
        agent = build_agent(run.record.identity, device)
        agent.load_state_dict(parts["agent"])
        counters = checkpoint.manifest["counters"]
        return run, agent, At(counters["tick"], counters["agent_steps"], counters["frames"], counters["updates"])
    raise ValueError(f"{path} has no readable checkpoint" + "".join(f"; {problem}" for problem in problems))


def evaluate(path: Path, episodes: int, mode: Mode, film: list[np.ndarray] | None) -> Evaluation:
    """Play `episodes` with the newest checkpoint; pictures of one more episode go into `film`. ValueError as
    `load_agent`."""
    run, agent, at = _load(path, run_device(path))
    evaluator = Evaluator(run.record.identity.task)

    def watch(envs: VectorTask) -> None:
        assert film is not None
        try:
            film.append(envs.envs[0].frame())
        except gymnasium.error.UnsupportedMode as error:
            raise ValueError(f"no video of {run.record.identity.task}: {error}") from error

    key = APART, run.record.identity.seed, EVALUATION
    try:
        if film is not None:
            evaluator.play(agent, 1, key, mode, watch=watch)
        seen = evaluator.play(agent, episodes, key, mode)
    finally:
        evaluator.close()
    return Evaluation(at, mode, seen.returns, seen.lengths, seen.seeds)


def run_device(path: Path) -> str:
    """The run's own device where this machine has it, else the CPU."""
    device = reader.load(path).record.runtime.device
    if device == "cpu":
        return device
    import torch

    return device if torch.cuda.is_available() and int(device.partition(":")[2]) < torch.cuda.device_count() else "cpu"
