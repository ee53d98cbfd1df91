"""What DreamerV1's agent says of a request, for all families that have it. No torch."""

from __future__ import annotations

from bench.agents.api import Cost, Task
from bench.agents.common.gaussian_dreamer.config import GaussianDreamerConfig
from bench.agents.common.rssm import request


def refusal(name: str, task: Task, config: GaussianDreamerConfig) -> str | None:
    """The reason why not; None where it can."""
    if config.imagination < 2:
        return f"{name} bootstraps from the last of imagination={config.imagination} states: it needs 2 or more"
    if task.terminates and config.length < 2:
        return f"{name} imagines from all but the last step of a sequence: length={config.length} leaves none"
    return (
        request.unmovable(name, task, "follows gradients through continuous actions")
        or request.unseen(name, task)
        or request.nonsense(name, task, config, ("stoch",))
    )


def cost(task: Task, config: GaussianDreamerConfig, objective: int | None = None) -> Cost:
    """objective: as in `request.cost`."""
    rate = task.action_repeat * config.train_steps / config.train_every
    return request.cost(task, config, config.stoch, 2 * config.stoch, rate, objective=objective)
