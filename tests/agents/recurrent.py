"""Small agents of the families that share agents/common/rssm/agent.py, and what is asked of each of them."""

from __future__ import annotations

import signal
from typing import Any

import torch

from bench.agents import conformance, registry
from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.rssm.agent import RecurrentAgent
from bench.agents.counter import TASKS, Subject
from bench.results.schema import Budget

_SIZES = {"deter": 8, "hidden": 8, "depth": 2, "units": 8, "batch": 4, "length": 5, "replay": 1000}
_V1 = {**_SIZES, "stoch": 4, "prefill": 20, "pretrain": 2, "train_every": 10, "train_steps": 1}
SMALLEST: dict[str, dict[str, Any]] = {
    "dreamer_v1": _V1,
    "contrastive_dreamer": _V1,
    "dreamer_v2": {**_SIZES, "latents": 3, "classes": 4, "prefill": 20, "pretrain": 2, "train_every": 10},
    "planet": {**_SIZES, "stoch": 4, "random_episodes": 2, "train_steps": 2, "candidates": 8, "elites": 3,
               "iterations": 1, "imagination": 2},
}  # fmt: skip


def built(name: str, task_id: str = "counter/vector-box", played: int = 40, **diff: Any) -> Any:
    """A small agent after some decisions in the task that counts, and what they owe."""
    task, spec = TASKS[task_id], registry.get(name)
    config = registry.resolve(spec, task, "tiny", {**SMALLEST[name], **diff}, {})
    agent = Subject(spec, config, task).play(played).agent
    assert isinstance(agent, RecurrentAgent)
    return agent


def refused(name: str, task_id: str = "counter/vector-box", **diff: Any) -> str:
    task, spec = TASKS[task_id], registry.get(name)
    return spec.supports(task, registry.resolve(spec, task, "tiny", diff, {})) or ""


def keeps_the_contract(name: str, task_id: str, tmp_path, monkeypatch, **diff: Any) -> None:
    """`bench check` with settings small enough that learning begins within its steps."""
    file = tmp_path / "early.yaml"
    file.write_text("".join(f"{field}: {value}\n" for field, value in {**SMALLEST[name], **diff}.items()))
    updates = []
    cls: Any = registry.load(registry.get(name))
    update = cls.update
    monkeypatch.setattr(cls, "update", lambda self, batch: updates.append(self) or update(self, batch))
    results = list(conformance.run(f"{name}:{file}", [task_id]))
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert len(results) == 1 + len(conformance.CHECKS)
    assert len(updates) > 20


def never_waits_for_the_device(name: str, task_id: str, **diff: Any) -> None:
    agent = built(name, task_id, **diff)
    batch, policy = agent.batch(), agent.policy(4, 0, "explore")
    observation = {key: value[:, 0] for key, value in batch.observation.items()}
    first, generator = torch.zeros(4, 5, dtype=torch.bool), torch.Generator().manual_seed(0)
    action = batch.action.argmax(-1) if agent.discrete else batch.action
    model = agent.world_model
    with no_host_sync():
        agent.update(batch)
        for mode in ("explore", "evaluate"):
            policy.mode = mode
            policy.step(observation, first[:, 0])
        model.imagine(model.encode(batch.observation, action[:, 1:], first), action, generator)


def killed_and_resumed_equals_undisturbed(plan_run, name: str, task: str, decisions: int, **diff: Any) -> int:
    """Of a run that is killed in the middle of an episode, one checkpoint behind; the updates it made."""
    sets = [f"{name}.{field}={value}" for field, value in {**SMALLEST[name], **diff}.items()]
    budget = Budget(decisions, decisions, 1, 1)
    reference, run = (plan_run(name, task, budget, sets=sets) for _ in range(2))
    assert reference.here() == 0
    assert run.go(fault=f"loop.observed:{decisions - 20}", ticks=37).returncode == -signal.SIGKILL
    assert run.here(ticks=37) == 0
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"
    updates = run.run.record.counters["updates"]
    assert updates > 0
    return updates


def gradient(agent: Any, loss: torch.Tensor, part: Any) -> torch.Tensor:
    """Of a part's parameters, flat; zeros where the loss does not reach them."""
    found = torch.autograd.grad(loss, list(part.parameters()), retain_graph=True, allow_unused=True)
    pairs = zip(found, part.parameters(), strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])
