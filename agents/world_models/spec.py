"""The entry of `world_models` in the registry. Imported to list agents, so: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gymnasium.spaces import Box, Discrete, flatdim

from bench.agents.api import AgentSpec, Cost, Scale, Task
from bench.agents.common.config import merge
from bench.agents.common.cost import TORCH_PROCESS, row_bytes
from bench.agents.world_models.config import WorldModelsConfig
from bench.agents.world_models.variants import KINDS, SCALES, VARIANTS

PIXELS = (64, 64, 3)
LEAST = 4  # candidates from which CMA-ES can tell better from worse ones
CHOICES = {
    "exploration": ("cauchy", "hold", "brownian", "uniform"),
    "reward": ("none", "alive", "tiles", "linear"),
    "actions": ("racing", "thirds", "box", "argmax"),
    "act_on": ("sample", "mean"),
    "fitness": ("real", "dream"),
    "covariance": ("separable", "full"),
    "sees": ("z", "zh", "zch"),
}
V_PRODUCTS = 38_800_000  # multiply-adds of a picture through V, there and back
V_ENCODER = 14_800_000  # there


def configure(task: Task, scale: Scale, variant: Mapping[str, Any]) -> WorldModelsConfig:
    kind = task.id.partition("/")[0]
    if kind in KINDS and kind not in ("image", "vector"):
        return merge(WorldModelsConfig, KINDS[kind], SCALES[scale][kind], variant)
    kind = "image" if "image" in task.observation.spaces else "vector"
    own: dict[str, Any] = {"end": task.terminates, "horizon": task.episode_steps or WorldModelsConfig.horizon}
    if isinstance(task.action, Discrete):
        own["actions"] = "argmax"
    return merge(WorldModelsConfig, KINDS[kind], own, SCALES[scale][kind], variant)


def supports(task: Task, config: WorldModelsConfig) -> str | None:
    return _names(config) or _actions(task, config) or _observations(task) or _sizes(config) or _dreams(config)


def _names(config: WorldModelsConfig) -> str | None:
    for name, known in CHOICES.items():
        if (value := getattr(config, name)) not in known:
            return f"{name}={value!r} is none of {', '.join(map(repr, known))}"
    return None


def _actions(task: Task, config: WorldModelsConfig) -> str | None:
    kind, action = config.actions, task.action
    if kind == "racing" and not (isinstance(action, Box) and action.shape == (3,)):
        return (
            f"actions='racing' (carracing_real, carracing_dream) steers, gives gas and brakes with a box of three "
            f"numbers, and the actions of {task.id} are {action}"
        )
    if kind == "thirds" and not (isinstance(action, Discrete) and action.n == 3):
        return f"actions='thirds' (takecover_dream) has left, none and right, and the actions of {task.id} are {action}"
    if kind == "box" and not isinstance(action, Box):
        return f"actions='box' needs a box of numbers, and the actions of {task.id} are {action}; take actions='argmax'"
    if kind == "argmax" and not isinstance(action, Discrete):
        return f"actions='argmax' needs choices, and the actions of {task.id} are {action}; take actions='box'"
    if config.exploration == "cauchy" and kind == "argmax":
        return "exploration='cauchy' makes one choice all episode long where actions are choices; take 'hold'"
    return None


def _observations(task: Task) -> str | None:
    spaces = task.observation.spaces
    if not spaces:
        return f"world_models learns from observations, and {task.id} has no observation key"
    if "image" not in spaces:
        odd = [f"{key!r} ({space})" for key, space in spaces.items() if not isinstance(space, Box)]
        return f"V sees images and vectors of numbers, and {task.id} shows {', '.join(odd)}" if odd else None
    if len(spaces) > 1:
        return f"V sees an image or vectors, and {task.id} shows both: {', '.join(sorted(spaces))}"
    if (shape := spaces["image"].shape) != PIXELS:
        return f"V's convolutions fit RGB images of 64x64 pixels, and those of {task.id} have the shape {shape}"
    return None


def _sizes(config: WorldModelsConfig) -> str | None:
    positive = (
        "data_episodes", "data_steps", "latent", "v_units", "v_batch", "v_epochs", "hidden", "mixtures", "m_batch",
        "m_length", "rollouts", "generations", "bank", "horizon",
    )  # fmt: skip
    if low := [name for name in positive if getattr(config, name) < 1]:
        return f"world_models needs {', '.join(low)} to be at least 1"
    if config.population < LEAST:
        return f"population={config.population}: CMA-ES needs {LEAST} candidates or more to tell better from worse"
    if config.sigma <= 0 or config.temperature <= 0:
        return "world_models needs sigma and temperature above 0"
    if min(config.m_updates, config.units, config.patience, config.gap_rollouts) < 0:
        return "world_models needs m_updates, units, patience and gap_rollouts of 0 or more"
    return None


def _dreams(config: WorldModelsConfig) -> str | None:
    if config.fitness == "dream" and config.reward == "none":
        return "fitness='dream' needs something to rate dreams by: reward='alive', 'tiles' or 'linear'"
    if config.fitness == "dream" and config.reward == "alive" and not config.end:
        return "reward='alive' in dreams that never end rates all candidates alike; take end=true"
    if config.reward == "tiles" and not config.end:
        return "reward='tiles' counts on the end that leaving the field is; take end=true"
    return None


def cost(task: Task, config: WorldModelsConfig) -> Cost:
    """Products of an agent step with candidates in the task, and what the data's steps owe V and M, two FLOPs each."""
    actions = 1 if config.actions == "thirds" else flatdim(task.action)
    step = (config.latent + actions + config.hidden) * 4 * config.hidden
    m = step + config.hidden * 3 * config.mixtures * config.latent
    image = "image" in task.observation.spaces
    numbers = sum(flatdim(space) for space in task.observation.spaces.values())
    v, there = (V_PRODUCTS, V_ENCODER) if image else (2 * config.v_units * (numbers + config.latent),) * 2
    owed = 3 * (v * config.v_epochs * config.data_episodes * config.data_steps)
    owed += 3 * m * config.m_updates * config.m_batch * config.m_length
    played = config.population * config.rollouts * config.generations * config.horizon
    dreamt = played * m if config.fitness == "dream" else 0
    steps = config.data_episodes * config.data_steps + (0 if config.fitness == "dream" else played)
    covariance = 8 * 3 * (4 * (config.latent + 2 * config.hidden)) ** 2 if config.covariance == "full" else 0
    memory = TORCH_PROCESS + covariance + (1_000_000_000 if image else 0)
    rows = config.data_episodes * config.data_steps
    flops = 2 * (there + step + (owed + dreamt) / steps)
    return Cost(flops, memory, row_bytes(task) + 4 * config.latent, rows, mapped=True)


spec = AgentSpec(
    name="world_models",
    summary="V-M-C: a VAE, a recurrent mixture-density model, and a linear controller evolved by CMA-ES",
    cls="bench.agents.world_models.agent:WorldModels",
    configure=configure,
    supports=supports,
    cost=cost,
    variants=VARIANTS,
    source="Ha & Schmidhuber 2018, World Models, arXiv:1803.10122",
)
