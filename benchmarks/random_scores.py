"""Measure the random policy through this suite's own stack, beside what was published.

    python -m bench.benchmarks.random_scores    (54 tasks, 20 episodes each: ten minutes on one core)

Writes results/measured/random.csv, one row per task; random.md there explains what lies far from the published scores.
`z` is the difference to the published score in standard errors: of our mean alone for the games, whose publication
gives no spread; of both means for the control tasks. For these nobody published a random policy: beside them stands the
nearest thing, an untrained TD-MPC2 evaluated at frame 0.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean, stdev

from bench.agents import registry as agents
from bench.benchmarks import suites
from bench.benchmarks.evaluation import Evaluator
from bench.benchmarks.provenance import device_kind
from bench.envs import registry as envs
from bench.results import published, table

COMMAND = "python -m bench.benchmarks.random_scores"
SUITES = ("atari100k", "dmc")
EPISODES = 20
OUT = Path(__file__).parents[1] / "results" / "measured" / "random.csv"


def play(task_id: str, episodes: int = EPISODES, seed: int = 0) -> list[float]:
    """Raw returns of so many episodes, actions drawn uniformly from a generator that `seed` starts."""
    spec, task = agents.get("random"), envs.task(task_id)
    agent = agents.load(spec)(agents.resolve(spec, task, "paper", {}, {}), task, seed, "cpu")
    evaluator = Evaluator(task_id)
    try:
        return evaluator.play(agent, episodes, key=(seed,)).returns
    finally:
        evaluator.close()


def reference(task_id: str) -> tuple[float, float, str]:
    """Published score, its standard error (0 where none is given), and what it is."""
    for score in published.scores([task_id]):
        if score.rule == "reference" and score.agent == "random":
            return score.value, 0.0, f"random policy: {score.source}"
    first = [c for c in published.curves(task_id) if c.agent == "TD-MPC2" and c.seed != "mean" and c.frames[0] == 0]
    values = [curve.values[0] for curve in first]
    source = f"untrained TD-MPC2 at frame 0, {len(values)} seeds: {first[0].source}"
    return mean(values), stdev(values) / len(values) ** 0.5, source


def row(task_id: str, returns: list[float]) -> dict[str, object]:
    """One line of the file."""
    protocol = envs.protocol(task_id)
    error = stdev(returns) / len(returns) ** 0.5
    value, value_error, source = reference(task_id)
    spread = (error**2 + value_error**2) ** 0.5
    return {
        "task": task_id,
        "protocol": f"{protocol['name']}/{protocol['version']}",
        "episodes": len(returns),
        "mean": round(mean(returns), 4),
        "std": round(stdev(returns), 4),
        "stderr": round(error, 4),
        "published": round(value, 4),
        "published_source": source,
        "z": round((mean(returns) - value) / spread, 2) if spread else (0.0 if mean(returns) == value else ""),
        "command": COMMAND,
        "hardware": device_kind("cpu"),
    }


def main() -> None:
    rows: list[dict[str, object]] = []
    for task_id in (task for name in SUITES for task in suites.get(name).tasks):
        start = time.perf_counter()
        rows.append(row(task_id, play(task_id)))
        table.replace(OUT, rows)
        print(
            {key: rows[-1][key] for key in ("task", "mean", "stderr", "published", "z")},
            f"{time.perf_counter() - start:.0f} s",
        )


if __name__ == "__main__":
    main()
