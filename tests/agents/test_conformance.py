"""Every shipped agent keeps the contract, and the kit notices agents that do not."""

import dataclasses

import numpy as np
import pytest
import torch

from bench.agents import conformance, registry
from bench.agents.api import Dream, ModelSpec, WorldModel
from bench.agents.counter import LENGTHS, TASKS, Counter
from bench.agents.linear_q.agent import LinearQ
from bench.tests.agents import wrong_agents


@pytest.mark.parametrize("label", ["random", "linear_q", "decqn"])
def test_the_shipped_agents_keep_the_contract(label):
    results = list(conformance.run(label))
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert len(results) > len(conformance.CHECKS)


def check(monkeypatch, name: str) -> dict[str, str]:
    """The checks that `name` of wrong_agents fails, with the reasons."""
    monkeypatch.setitem(registry.BUILTIN, name, f"{wrong_agents.__name__}:spec_{name}")
    results = conformance.run(name, ["counter/vector-box"])
    return {result.name.removeprefix("counter/vector-box: "): result.reason for result in results if not result.ok}


@pytest.mark.parametrize("cls", wrong_agents.PROMISES, ids=lambda cls: cls.__name__)
def test_a_broken_promise_is_named(monkeypatch, cls):
    failed = check(monkeypatch, cls.__name__)
    assert wrong_agents.PROMISES[cls] in failed
    assert failed[wrong_agents.PROMISES[cls]]


def test_a_config_with_a_budget_is_refused(monkeypatch):
    assert "total_frames" in check(monkeypatch, "BudgetConfig")["config is frozen json and knows no budget"]


def test_a_spec_that_imports_torch_is_refused(monkeypatch):
    spec = dataclasses.replace(registry.get("linear_q"), name="slow")
    monkeypatch.setattr("bench.agents.decqn.networks.spec", spec, raising=False)
    monkeypatch.setitem(registry.BUILTIN, "slow", "bench.agents.decqn.networks:spec")
    assert "imports torch" in next(conformance.run("slow", ["counter/vector-box"])).reason


class Sum(WorldModel):
    """Dreams the running sum of actions; with `drift`, forgets in `state` what it had summed."""

    predicts = ModelSpec(True, False, (), False, 2, 5)

    def __init__(self, drift: bool):
        self.drift = drift

    def encode(self, observation, action, first):
        return {"sum": action.sum(1)}

    def imagine(self, state, action, generator, sample=True):
        feature = state["sum"][:, None] + action.cumsum(1)
        after = {"sum": torch.zeros_like(state["sum"]) if self.drift else feature[:, -1]}
        return Dream(feature.mean(2), None, feature, None, after)


@pytest.mark.parametrize("drift", [False, True])
def test_a_world_model_that_forgets_is_noticed(monkeypatch, drift):
    monkeypatch.setattr(LinearQ, "world_model", Sum(drift), raising=False)
    results = {result.name: result for result in conformance.run("linear_q", ["counter/vector-box"])}
    result = results["counter/vector-box: its world model goes on where it stopped"]
    assert result.ok is not drift
    assert ("imagine(h1 + h2)" in result.reason) is drift


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(LookupError, match="Did you mean 'counter/vector-box'"):
        list(conformance.run("random", ["counter/vector_box"]))


def test_the_counter_tells_episode_and_place():
    count = Counter(TASKS["counter/vector-discrete"], 2)
    places = set()
    for _ in range(60):
        step = count.step(np.zeros(2, np.int64), None)
        now, later = (np.rint(o["vector"][:, :2] * 16).astype(int) for o in (step.observation, step.next_observation))
        assert np.array_equal(now[:, 0], step.episode)
        assert np.array_equal(later, now + [0, 1])
        assert np.array_equal(step.first, now[:, 1] == 0)
        places |= set(now[:, 1].tolist())
    assert places == set(range(max(LENGTHS)))
