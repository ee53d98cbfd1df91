"""Tasks of a suite that an agent does not support are left out, with the reason, and keep nothing else from running."""

import io

import pytest
from rich.console import Console

from bench.benchmarks import forecast, plan
from bench.benchmarks.errors import RequestError


def toys(agents: str, root, **more: str) -> plan.Plan:
    return plan.make(plan.Request(agents=agents, suite="toy", scale="tiny", seeds="2", root=root, device="cpu", **more))


def test_what_an_agent_of_a_suite_cannot_do_is_skipped(tmp_path):
    made = toys("random,linear_q", tmp_path)
    planned = {(run.identity.agent, run.identity.task) for run in made.runs}
    vectors = {"toy/reach", "toy/maze"}
    assert {task for agent, task in planned if agent == "linear_q"} == vectors
    assert {task for agent, task in planned if agent == "random"} == vectors | {"toy/pixel-reach", "toy/pixel-catch"}
    assert len(made.runs) == 2 * len(planned)
    console = Console(file=io.StringIO(), width=200)
    forecast.show(console, made, forecast.make(made, 1, tmp_path))
    said = console.file.getvalue()
    for task in ("toy/pixel-reach", "toy/pixel-catch"):
        assert f"skipped: linear_q does not run {task}: linear_q sees vectors only" in said


def test_a_task_asked_for_by_name_is_not_skipped(tmp_path):
    with pytest.raises(RequestError, match="linear_q does not run toy/pixel-reach"):
        toys("random,linear_q", tmp_path, tasks="reach,pixel-reach")


def test_an_agent_without_any_task_is_an_error(tmp_path):
    request = plan.Request(agents="random,tdmpc2", suite="atari100k", scale="tiny", seeds="1", root=tmp_path)
    with pytest.raises(RequestError, match="no task of atari100k is one for tdmpc2: tdmpc2 does not run atari/alien"):
        plan.make(request)
