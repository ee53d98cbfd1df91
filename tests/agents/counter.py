"""Vector steps whose every number tells where it came from, for tests of alignment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from gymnasium import spaces

from bench.agents.api import Step, Task

VECTOR = Task(
    "counter/vector",
    spaces.Dict({"vector": spaces.Box(-1, 1, (2,), np.float32)}),
    spaces.Box(-1, 1, (1,)),
    1,
    None,
    True,
)
IMAGE = Task(
    "counter/image",
    spaces.Dict({"image": spaces.Box(0, 255, (64, 64, 3), np.uint8)}),
    spaces.Discrete(5),
    4,
    None,
    False,
)


def steps(task: Task, envs: int, count: int, lengths: tuple[int, ...] = (3, 5, 2)) -> Iterator[Step]:
    """Observation i of an episode shows (episode, i); the action taken on it is i, the reward that follows i + 1.

    Episode k has lengths[k % 3] decisions; even episodes terminate, odd ones are truncated.
    """
    episode = np.arange(envs)
    at = np.zeros(envs, int)
    for _ in range(count):
        end = at + 1 == np.array([lengths[k % len(lengths)] for k in episode])
        action = at if isinstance(task.action, spaces.Discrete) else at[:, None] / 10
        yield Step(
            observation=observe(task, episode, at),
            action=action.astype(np.int64 if isinstance(task.action, spaces.Discrete) else np.float32),
            reward=(at + 1).astype(np.float32),
            next_observation=observe(task, episode, at + 1),
            first=at == 0,
            terminated=end & (episode % 2 == 0),
            truncated=end & (episode % 2 == 1),
            episode=episode.copy(),
            extras=None,
        )
        at = np.where(end, 0, at + 1)
        episode = np.where(end, episode.max() + 1 + np.arange(envs), episode)


def observe(task: Task, episode: np.ndarray, at: np.ndarray) -> dict[str, np.ndarray]:
    numbers = np.stack([episode, at], axis=1)
    if "vector" in task.observation.spaces:
        return {"vector": numbers.astype(np.float32)}
    image = np.zeros((len(at), 64, 64, 3), np.uint8)
    image[:, 0, 0, :2] = numbers
    return {"image": image}
