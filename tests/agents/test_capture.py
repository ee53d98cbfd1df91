"""Captured functions: what a graph replays is what an eager call would have done, in every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.agents import registry
from bench.agents.common.capture import WARM_UP, Capture
from bench.agents.common.tree import copied, difference
from bench.agents.counter import TASKS, Subject
from bench.tests.agents.dcmpc.subjects import SMALLEST as DCMPC
from bench.tests.agents.dreamer.test_update import SHORT
from bench.tests.agents.recording import Recorder
from bench.tests.agents.recurrent import SMALLEST as RECURRENT
from bench.tests.agents.simulus.subjects import SMALLEST as SIMULUS
from bench.tests.agents.tdmpc2.subjects import SMALLEST as TDMPC2

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "tdmpc2": ("vector-box", {**TDMPC2, "steps_per_update": 2}),
    "dreamer": ("vector-box", SHORT),
}


def subject(name: str) -> Subject:
    task_id, sizes = FAMILIES[name]
    task, spec = TASKS[f"counter/{task_id}"], registry.get(name)
    return Subject(spec, registry.resolve(spec, task, "tiny", sizes, {}), task)


@pytest.mark.parametrize("name", FAMILIES)
def test_replays_are_what_eager_calls_would_have_been(name):
    eager, graphs = subject(name), subject(name)
    graphs.agent.capture.backend = recorder = Recorder()
    for each in (eager, graphs):
        each.play(50)
    assert recorder.captured >= 2  # update and act
    assert recorder.replayed > 10
    assert not difference(eager.state(), graphs.state())
    assert not difference(eager.actions, graphs.actions)
