"""Tasks that count: an observation shows which episode it is in and where, so a test sees every shift by one.

Environments for `bench check` and for tests of agents, which may not open a suite's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from bench.agents import registry
from bench.agents.api import Agent, AgentConfig, AgentSpec, Observation, Policy, Step, Task

LENGTHS = (7, 12, 5)  # decisions of the counter's episodes, in turn; even episodes terminate, odd ones are truncated
UNITS = 8  # of learning between two vector steps: a check sees whether work is done, not whether it helps
SCREEN, PIXELS = "image", (64, 64, 3)


def _task(name: str, key: str, action: spaces.Box | spaces.Discrete) -> Task:
    space = spaces.Box(0, 255, PIXELS, np.uint8) if key == SCREEN else spaces.Box(-np.inf, np.inf, (4,), np.float32)
    return Task(f"counter/{name}", spaces.Dict({key: space}), action, 1, max(LENGTHS), True)


_BOX = spaces.Box(-1, 1, (2,), np.float32)
TASKS = {
    task.id: task
    for task in (
        _task("vector-box", "vector", _BOX),
        _task("vector-discrete", "vector", spaces.Discrete(5)),
        _task("image-box", SCREEN, _BOX),
        _task("image-discrete", SCREEN, spaces.Discrete(5)),
    )
}


class Counter:
    """E environments in which observation i of episode k shows (k, i), and the reward depends on the action."""

    def __init__(self, task: Task, envs: int):
        self.task, self.envs = task, envs
        self.episode = np.arange(envs)
        self.at = np.zeros(envs, int)

    def observe(self) -> Observation:
        numbers = np.stack([self.episode % 256, self.at], axis=1)
        if SCREEN in self.task.observation.spaces:
            image = np.zeros((self.envs, *PIXELS), np.uint8)
            image[:, :8, :8, :2] = numbers[:, None, None]
            image[np.arange(self.envs), self.at * 5] = 255
            return {SCREEN: image}
        return {"vector": np.concatenate([numbers / 16, np.cos(numbers)], axis=1).astype(np.float32)}

    def step(self, action: np.ndarray, extras: Any) -> Step:
        observation, first, episode = self.observe(), self.at == 0, self.episode.copy()
        reward = action.reshape(self.envs, -1).mean(axis=1).astype(np.float32) + (self.at % 3 == 0)
        self.at = self.at + 1
        following = self.observe()
        end = self.at >= np.array([LENGTHS[k % len(LENGTHS)] for k in self.episode])
        step = Step(
            observation, action, reward.astype(np.float32), following, first,
            end & (episode % 2 == 0), end & (episode % 2 == 1), episode, extras,
        )  # fmt: skip
        self.cut(end)
        return step

    def cut(self, end: np.ndarray | None) -> None:
        if end is not None and end.any():
            end = end & (self.at > 0)
            self.at = np.where(end, 0, self.at)
            self.episode = np.where(end, self.episode.max() + np.cumsum(end), self.episode)


class Subject:
    """One agent under test, with the loop the runner runs around it."""

    def __init__(self, spec: AgentSpec, config: AgentConfig, task: Task, seed: int = 3, device: str = "cpu"):
        self.task = task
        self.agent: Agent = registry.load(spec)(config, task, seed, device)
        envs = self.agent.collection.envs
        self.policy: Policy = self.agent.policy(envs, seed, "explore")
        self.counter = Counter(task, envs)
        self.actions: list[np.ndarray] = []
        self.units = 0

    def play(self, steps: int, between: Callable[[int], None] = lambda step: None) -> Subject:
        for number in range(steps):
            counter = self.counter
            action, extras = self.policy.act(counter.observe(), counter.at == 0)
            self.actions.append(np.array(action))
            counter.cut(self.agent.observe(counter.step(action, extras)))
            for _ in range(UNITS):
                if not self.agent.learn():
                    break
                self.units += 1
            between(number)
        return self

    def state(self) -> dict[str, Any]:
        return {"agent": self.agent.state_dict(), "policy": self.policy.state_dict()}
