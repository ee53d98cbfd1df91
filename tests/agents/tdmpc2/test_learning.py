"""tdmpc2 solves toy/reach, in eight environments stepped and planned for together."""

import numpy as np

from bench.agents import registry
from bench.benchmarks.collector import Collector
from bench.benchmarks.evaluation import Evaluator
from bench.benchmarks.suites import toy
from bench.envs import registry as envs
from bench.envs.vector import VectorTask


def test_tdmpc2_solves_reach():
    name, spec = "toy/reach", registry.get("tdmpc2")
    task = envs.task(name)
    config = registry.resolve(spec, task, "tiny", {"collection.envs": 8, "seed_episodes": 1, "steps_per_update": 2}, {})
    agent = registry.load(spec)(config, task, 0, "cpu")
    policy = agent.policy(8, 0, "explore")
    collector = Collector(VectorTask([envs.make(name) for _ in range(8)]), agent, lambda *_: None)
    collector.start()
    for _ in range(350):
        action, extras = policy.act(*collector.current())
        agent.observe(collector.step(action, extras))
        collector.cut(None)
        while agent.learn():
            pass
    returns = Evaluator(name).play(agent, 20, (0,)).returns
    random, optimum = toy.suite.references[name]
    assert (np.mean(returns) - random) / (optimum - random) >= 0.8
