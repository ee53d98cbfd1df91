"""Training without a store: the loop of a run in a few lines, and how far it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.agents import registry
from bench.agents.api import Agent
from bench.benchmarks.collector import Collector
from bench.benchmarks.evaluation import Evaluator
from bench.benchmarks.suites import toy
from bench.envs import registry as envs
from bench.envs.vector import VectorTask


def train(name: str, task_id: str, steps: int, settings: Mapping[str, Any] | None = None) -> Agent:
    """An agent at scale tiny with these settings, after `steps` decisions in each environment and all they owe."""
    spec, task = registry.get(name), envs.task(task_id)
    config = registry.resolve(spec, task, "tiny", settings or {}, {})
    agent, count = registry.load(spec)(config, task, 0, "cpu"), config.collection.envs
    policy = agent.policy(count, 0, "explore")
    collector = Collector(VectorTask([envs.make(task_id) for _ in range(count)]), agent, lambda *_: None)
    collector.start()
    for _ in range(steps):
        action, extras = policy.act(*collector.current())
        agent.observe(collector.step(action, extras))
        collector.cut(None)
        while agent.learn():
            pass
    return agent


def way(agent: Agent, task_id: str) -> float:
    """How far from the random policy (0) to the optimum (1) the mean return of 20 episodes is."""
    returns = Evaluator(task_id).play(agent, 20, (0,)).returns
    random, optimum = toy.suite.references[task_id]
    return float((np.mean(returns) - random) / (optimum - random))
