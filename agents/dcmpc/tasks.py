"""What the authors tuned per task of dm_control: slots, n-step targets, length of the exploration. [C]: cfgs/env."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import Task

CONTROL = "dmc-state/"

EASY, MEDIUM, HARD = 50, 150, 500  # episodes of falling exploration noise

# task: (episodes of falling noise, n-step)
TUNED: Mapping[str, tuple[int, int]] = {
    "acrobot_swingup": (MEDIUM, 3),
    "ball_in_cup_catch": (EASY, 1),
    "cartpole_balance": (EASY, 1),
    "cartpole_balance_sparse": (EASY, 1),
    "cartpole_swingup": (EASY, 1),
    "cartpole_swingup_sparse": (EASY, 3),
    "cheetah_run": (MEDIUM, 1),
    "dog_run": (HARD, 3),
    "dog_stand": (HARD, 3),
    "dog_trot": (HARD, 3),
    "dog_walk": (HARD, 3),
    "finger_spin": (EASY, 1),
    "finger_turn_easy": (MEDIUM, 2),
    "finger_turn_hard": (MEDIUM, 2),
    "fish_swim": (MEDIUM, 3),
    "hopper_hop": (MEDIUM, 1),
    "hopper_stand": (EASY, 1),
    "humanoid_run": (HARD, 1),
    "humanoid_stand": (HARD, 1),
    "humanoid_walk": (HARD, 1),
    "pendulum_swingup": (EASY, 1),
    "quadruped_run": (MEDIUM, 1),
    "quadruped_walk": (MEDIUM, 1),
    "reacher_easy": (MEDIUM, 3),
    "reacher_hard": (MEDIUM, 3),
    "walker_run": (MEDIUM, 1),
    "walker_stand": (EASY, 1),
    "walker_walk": (EASY, 1),
}


def tuned(task: Task) -> dict[str, Any]:
    """The fields that differ for this task; none of tasks the authors had no settings for."""
    if not task.id.startswith(CONTROL):
        return {}
    name = task.id.removeprefix(CONTROL)
    diff: dict[str, Any] = {"reward_bound": float(task.action_repeat)}  # dm_control pays 0 to 1 per frame
    if name in TUNED:
        diff["noise_episodes"], diff["n_step"] = TUNED[name]
    if name.startswith(("dog_", "humanoid_")):
        diff["slots"] = 1024
    return diff
