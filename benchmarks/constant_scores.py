"""The best constant action: what a control task pays a policy that sees nothing. An agent has to be above it.

    python -m bench.benchmarks.constant_scores TASK...    (half a minute per dm_control task)

Writes results/measured/constant.csv, one row per task: the highest mean return of 100 actions drawn uniformly, each
repeated over whole episodes. The highest of so many means is an optimistic figure: a bar, not an estimate.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean

import numpy as np
from gymnasium import spaces

from bench.benchmarks.provenance import device_kind
from bench.envs import registry as envs
from bench.results import table

ACTIONS, EPISODES = 100, 2
OUT = Path(__file__).parents[1] / "results" / "measured" / "constant.csv"


def play(task_id: str, actions: int = ACTIONS, episodes: int = EPISODES) -> list[tuple[float, list[float]]]:
    """(mean return, action) of every action, over the episodes of seeds 0, 1, ... ValueError for discrete actions."""
    space = envs.task(task_id).action
    if not isinstance(space, spaces.Box):
        raise ValueError(f"{task_id} has discrete actions: its constant policies are no yardstick")
    env, rng = envs.make(task_id), np.random.default_rng(0)
    scores = []
    for _ in range(actions):
        action = rng.uniform(-1, 1, space.shape).astype(np.float32)
        returns = []
        for seed in range(episodes):
            env.reset(seed=seed)
            total, over = 0.0, False
            while not over:
                _, reward, terminated, truncated, _ = env.step(action)
                total, over = total + float(reward), terminated or truncated
            returns.append(total)
        scores.append((mean(returns), action.tolist()))
    return scores


def main(tasks: list[str]) -> None:
    rows = {row["task"]: row for row in table.read(OUT)}
    for task_id in tasks:
        best, action = max(play(task_id))
        rows[task_id] = {
            "task": task_id,
            "best": f"{best:.4g}",
            "action": " ".join(f"{value:.3f}" for value in action),
            "actions": str(ACTIONS),
            "episodes": str(EPISODES),
            "command": f"python -m bench.benchmarks.constant_scores {task_id}",
            "hardware": device_kind("cpu"),
        }
        table.replace(OUT, [rows[name] for name in sorted(rows)])
        print(task_id, rows[task_id]["best"])


if __name__ == "__main__":
    main(sys.argv[1:])
