"""Plays episodes and prints what was seen as JSON; a module of its own so that a fresh process can do it too."""

import hashlib
import json
import sys
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.envs import registry
from bench.envs.base import TaskEnv


def actions(env: TaskEnv, seed: int, count: int) -> list[Any]:
    generator = np.random.default_rng([seed, 1])
    if isinstance(env.action_space, spaces.Discrete):
        return generator.integers(env.action_space.n, size=count).tolist()
    return list(generator.uniform(-1, 1, (count, *env.action_space.shape)).astype(np.float32))


def digest(env: TaskEnv, observation: dict[str, np.ndarray]) -> str:
    parts = [env.fingerprint(), *(observation[key].tobytes() for key in sorted(observation))]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def trace(env: TaskEnv, seed: int, count: int) -> list[Any]:
    """A digest after the reset and [digest, reward, flags] after each of at most `count` actions."""
    observation, _ = env.reset(seed=seed)
    seen: list[Any] = [digest(env, observation)]
    for action in actions(env, seed, count):
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append([digest(env, observation), float(reward), bool(terminated), bool(truncated)])
        if terminated or truncated:
            break
    return seen


if __name__ == "__main__":
    task, count, *seeds = sys.argv[1:]
    env = registry.make(task)
    print(json.dumps([trace(env, int(seed), int(count)) for seed in seeds]))
    env.close()
