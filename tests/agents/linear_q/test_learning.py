"""linear_q learns: far from random, far from solved, and fast enough for the fault cases."""

import time

from bench.tests.agents.train import train, way


def test_linear_q_beats_random_on_reach():
    begin = time.process_time()
    agent = train("linear_q", "toy/reach", 8000)
    seconds = time.process_time() - begin
    assert way(agent, "toy/reach") >= 0.4
    assert agent.updates == 8000 - agent.config.warmup
    assert seconds < 5
