"""The training loop in a few lines, without a store: one environment, no evaluation in between."""

from __future__ import annotations

import numpy as np

from bench.agents import registry
from bench.agents.api import Agent, Step
from bench.benchmarks.suites import toy
from bench.envs import registry as envs
from bench.envs.base import TaskEnv


def train(label: str, task_id: str, steps: int, seed: int = 0) -> tuple[Agent, TaskEnv]:
    """An agent at scale tiny after `steps` decisions and all they owe."""
    task, env = envs.task(task_id), envs.make(task_id)
    spec, _, diff = registry.parse(label)
    agent = registry.load(spec)(registry.resolve(spec, task, "tiny", diff, {}), task, seed, "cpu")
    policy = agent.policy(1, seed, "explore")
    episode, first = 0, True
    observation = env.reset(seed=agent.episode_seed(episode))[0]
    for _ in range(steps):
        flag = np.array([first])
        action, extras = policy.act(batch(observation), flag)
        following, reward, terminated, truncated, _ = env.step(action[0])
        agent.observe(
            Step(
                batch(observation),
                action,
                np.array([reward], np.float32),
                batch(following),
                flag,
                np.array([terminated]),
                np.array([truncated]),
                np.array([episode]),
                extras,
            )
        )
        observation, first = following, terminated or truncated
        if first:
            episode += 1
            observation = env.reset(seed=agent.episode_seed(episode))[0]
        while agent.learn():
            pass
    return agent, env


def way(agent: Agent, env: TaskEnv, task_id: str, episodes: int = 20) -> float:
    """How far from the random policy (0) to the optimum (1) the agent's mean return over `episodes` is."""
    policy, total = agent.policy(1, 0, "evaluate"), 0.0
    for episode in range(episodes):
        observation, first, over = env.reset(seed=10**6 + episode)[0], True, False
        while not over:
            action, _ = policy.act(batch(observation), np.array([first]))
            observation, reward, terminated, truncated, _ = env.step(action[0])
            total, first, over = total + float(reward), False, terminated or truncated
    random, optimum = toy.suite.references[task_id]
    return (total / episodes - random) / (optimum - random)


def batch(observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: value[None] for key, value in observation.items()}
