"""Captured functions: what a graph replays is what an eager call would have done, in every family; and the recorder
that stands for a graph here sees what a graph would not do again."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from bench.agents import registry
from bench.agents.common.capture import GRAPHS, WARM_UP, Capture
from bench.agents.common.hostsync import HostSync
from bench.agents.common.tree import copied, difference
from bench.agents.counter import TASKS, Subject
from bench.tests.agents.dcmpc.subjects import SMALLEST as DCMPC
from bench.tests.agents.dreamer.test_update import SMALL
from bench.tests.agents.recording import Recorder
from bench.tests.agents.recurrent import SMALLEST as RECURRENT
from bench.tests.agents.simulus.subjects import SMALLEST as SIMULUS
from bench.tests.agents.tdmpc2.subjects import SMALLEST as TDMPC2
from bench.tests.agents.world_models.subjects import DREAM

SPARSE = {"prefill": 20, "pretrain": 1, "train_every": 4, "imagination": 3}
SIMPLE = {**SIMULUS, "length": 3, "burn_in": 1, "epoch_steps": 10}
MODULES = {"descend_model", "decide", "imagine"}
RECURRENTS = {"descend", "decide", "imagine"}
FAMILIES: dict[str, tuple[dict[str, Any], set[str]]] = {  # sizes, and the functions that are captured
    "tdmpc2": ({**TDMPC2, "steps_per_update": 3}, {"update", "plan", "imagine"}),
    "dcmpc": ({**DCMPC, "steps_per_update": 2}, {"descend", "plan", "imagine"}),
    "dreamer": ({**SMALL, "length": 4, "train_ratio": 4.0, "imagination": 3}, RECURRENTS),
    "simulus": ({**SIMPLE, "controller_updates": 6}, {*MODULES, "descend_controller"}),
    "simulus on image-discrete": ({**SIMPLE, "tokenizer_updates": 3}, {*MODULES, "descend_tokenizer"}),
    "world_models": ({**DREAM, "v_batch": 4, "v_epochs": 2, "m_updates": 8}, {*RECURRENTS, "step"}),
    "decqn": ({"hidden": (8,), "batch": 4, "warmup": 20, "steps_per_update": 2}, {"descend", "greedy"}),
    "dreamer_v1": ({**RECURRENT["dreamer_v1"], **SPARSE}, RECURRENTS),
    "dreamer_v2": ({**RECURRENT["dreamer_v2"], **SPARSE, "target_every": 3}, RECURRENTS),
    "contrastive_dreamer": ({**RECURRENT["contrastive_dreamer"], **SPARSE}, RECURRENTS),
    "planet": (RECURRENT["planet"], RECURRENTS),
}


def subject(family: str, device: str = "cpu") -> Subject:
    """Of random weights: heads that start at zero would leave running scales at their starts."""
    name, _, kind = family.partition(" on ")
    task, spec, chance = TASKS[f"counter/{kind or 'vector-box'}"], registry.get(name), Generator().manual_seed(0)
    made = Subject(spec, registry.resolve(spec, task, "tiny", FAMILIES[family][0], {}), task, device=device)
    for parameter in getattr(made.agent, "networks", torch.nn.Module()).parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=chance).to(device))
    return made


def lived(each: Subject) -> Any:
    """All that an agent does: it learns and explores, goes on from an earlier state, evaluates and dreams."""
    agent, capture, device = each.agent, each.agent.capture, each.agent.device
    each.play(30)
    earlier = copied(each.state())
    each.play(10)
    later = copied(each.state())
    agent.load_state_dict(earlier["agent"])
    each.policy.load_state_dict(earlier["policy"])
    each.play(20)
    found = [later, each.state(), each.actions]
    seen, policy = each.counter.observe(), agent.policy(1, 0, "evaluate")
    found.append([policy.act(seen, np.zeros(1, bool))[0] for _ in range(WARM_UP + 3)])
    if (model := agent.world_model) is not None:
        imagine, chance = capture(model.imagine), Generator(device).manual_seed(0)
        shown = {key: torch.from_numpy(value[:, None]).to(device) for key, value in seen.items()}
        taken = torch.from_numpy(np.stack(each.actions, 1)).to(device)
        state = model.encode(shown, taken[:, :0], torch.ones(1, 1, dtype=torch.bool, device=device))
        found.append([list(imagine(state, taken[:, k : k + 2], chance)) for k in range(WARM_UP + 3)])
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_replays_are_what_eager_calls_would_have_been(name, monkeypatch):
    """Bit for bit. As on a GPU where that is another path: V's and M's optimisers, the full record of returns."""
    monkeypatch.setattr("bench.agents.world_models.training.on_device", lambda net: True)
    monkeypatch.setattr("bench.agents.simulus.imagination.BATCHES", 2)
    eager, graphs = subject(name), subject(name)
    graphs.agent.capture.backend = recorder = Recorder()
    assert not difference(lived(eager), lived(graphs))
    assert {function for function, count in recorder.replays.items() if count > 1} == FAMILIES[name][1]
    assert str(graphs.agent.capture) == "graphs"


# The recorder, and what is made of it


def recorded() -> Capture:
    capture = Capture("cpu")
    capture.backend = Recorder()
    return capture


class Faulty:
    """What must not be captured, one fault per method."""

    def __init__(self) -> None:
        self.count, self.kept, self.elsewhere = 0, torch.zeros(()), torch.zeros(())

    def counts(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.count

    def decides(self, x: Tensor) -> Tensor:
        self.count += 1
        return -x if self.count % 2 else x

    def rebinds(self, x: Tensor) -> Tensor:
        self.kept = self.kept + x
        return self.kept * 1

    def reads_what_is_rebound(self, x: Tensor) -> Tensor:
        return x + self.elsewhere

    def sound(self, x: Tensor) -> Tensor:
        self.kept.add_(x)
        return self.kept * 1


@pytest.mark.parametrize("fault", ["counts", "decides", "rebinds", "reads_what_is_rebound", "sound"])
def test_the_recorder_shows_faults(fault):
    results = []
    for capture in (Capture("cpu"), recorded()):
        faulty, got = Faulty(), []
        function = capture(getattr(faulty, fault))
        for k in range(WARM_UP + 3):
            faulty.elsewhere = torch.tensor(float(k))
            got.append(float(function(torch.tensor(1.0 + k))))
        results.append(got)
    alike = [a == b for a, b in zip(*results, strict=True)]
    assert all(alike[: WARM_UP + 1])  # real calls
    assert all(alike) is (fault == "sound")


def test_every_shape_and_setting_has_a_graph_until_there_are_too_many():
    capture, calls = recorded(), []
    function = capture(lambda x, doubled: calls.append(x) or {"y": (x * (2 if doubled else 1), None)})
    for size in range(1, GRAPHS + 3):
        doubled = size == 2
        for k in range(WARM_UP + 3):
            expected = torch.full((size,), (1 + doubled) * k)
            assert torch.equal(function(torch.full((size,), k), doubled)["y"][0], expected)
    assert sum(capture.backend.replays.values()) == 2 * GRAPHS
    assert len(calls) == GRAPHS * (WARM_UP + 1) + 2 * (WARM_UP + 3)


def test_results_are_the_callers_own():
    function = recorded()(lambda x: x + 1)
    found = [function(torch.tensor(float(k))) for k in range(WARM_UP + 4)]
    assert [float(x) for x in found] == [k + 1 for k in range(WARM_UP + 4)]


class Broken(Recorder):
    def __init__(self, *errors: Exception):
        super().__init__()
        self.errors = errors

    def capture(self, call: Any, generators: Any) -> Any:
        try:
            raise self.errors[0]
        except RuntimeError:
            raise self.errors[-1]  # noqa: B904 - as the end of a broken capture does


def test_where_capturing_fails_the_run_goes_on_eagerly_and_says_so_once():
    capture = Capture("cpu")
    capture.backend = Broken(RuntimeError("operation not permitted\nwhen stream is capturing"), RuntimeError("ended"))
    one, other = capture(partial(torch.add, torch.ones(()))), capture(lambda x: x + 2)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(2 * WARM_UP):
            assert float(one(torch.zeros(()))) == 1
            assert float(other(torch.zeros(()))) == 2
    assert len(said) == 1
    assert str(capture) == "eager: _VariableFunctionsClass.add: operation not permitted"


def test_the_recorder_captures_no_wait_and_no_generator_that_nobody_registered():
    capture, generator = recorded(), Generator()
    waits, draws = capture(lambda x: x * float(x)), capture(lambda x: x + torch.rand((), generator=generator))
    sound = capture(lambda x: x + torch.rand((), generator=generator), generator)
    with pytest.raises(HostSync):
        for _ in range(WARM_UP + 1):
            waits(torch.ones(()))
    for _ in range(WARM_UP + 1):
        sound(torch.ones(()))
    with pytest.warns(UserWarning, match="goes on eagerly: .*lambda.*: 1 generators are not registered"):
        for _ in range(WARM_UP + 1):
            draws(torch.ones(()))


@pytest.mark.parametrize("hidden", [False, True])
def test_running_out_of_memory_is_not_a_failed_capture(hidden):
    capture, error = Capture("cpu"), torch.OutOfMemoryError("CUDA out of memory")
    capture.backend = Broken(error, RuntimeError("capture ended") if hidden else error)
    function = capture(lambda x: x + 1)
    with pytest.raises(torch.OutOfMemoryError):
        for _ in range(WARM_UP + 1):
            function(torch.zeros(()))
