"""DeepMind Control from states at 500k frames: the 18 tasks of DreamerV3's preprint, also Simulus's."""

from bench.benchmarks.suites.dmc import FLOOR_CEILING, SMALL, TINY
from bench.results.schema import Budget, Suite

_TASKS = tuple(
    f"dmc-state/{name}"
    for name in (
        "acrobot_swingup",
        "ball_in_cup_catch",
        "cartpole_balance",
        "cartpole_balance_sparse",
        "cartpole_swingup",
        "cartpole_swingup_sparse",
        "cheetah_run",
        "finger_spin",
        "finger_turn_easy",
        "finger_turn_hard",
        "hopper_hop",
        "hopper_stand",
        "pendulum_swingup",
        "reacher_easy",
        "reacher_hard",
        "walker_run",
        "walker_stand",
        "walker_walk",
    )
)

suite = Suite(
    name="dmc-proprio",
    measures="Data efficiency in continuous control from states.",
    source="Hafner et al. 2023, Mastering Diverse Domains through World Models, arXiv:2301.04104v2",
    citation="Hafner, D. et al. Mastering Diverse Domains through World Models. arXiv:2301.04104v2, 2023.",
    tasks=_TASKS,
    budgets={
        "paper": Budget(frames=500_000, every=50_000, episodes=10, final_episodes=10),
        "small": SMALL,
        "tiny": TINY,
    },
    references=dict.fromkeys(_TASKS, FLOOR_CEILING),
    reference_names=("floor", "ceiling"),
    published=("DreamerV3 (2023 release)", "Simulus", "TD-MPC2", "DC-MPC", "PPO (DreamerV3 run)"),
)
