"""DeepMind Control from pixels at 1M frames: the 20 tasks of the Dreamer papers."""

from bench.benchmarks.suites.dmc import FLOOR_CEILING, SMALL, TINY
from bench.results.schema import Budget, Suite

_TASKS = tuple(
    f"dmc-vision/{name}"
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
        "quadruped_run",
        "quadruped_walk",
        "reacher_easy",
        "reacher_hard",
        "walker_run",
        "walker_stand",
        "walker_walk",
    )
)

suite = Suite(
    name="dmc-vision",
    measures="Data efficiency in continuous control from 64x64 images.",
    source="Hafner et al. 2023, Mastering Diverse Domains through World Models, arXiv:2301.04104v2",
    citation="Hafner, D. et al. Mastering Diverse Domains through World Models. arXiv:2301.04104v2, 2023.",
    tasks=_TASKS,
    budgets={
        "paper": Budget(frames=1_000_000, every=100_000, episodes=10, final_episodes=10),
        "small": SMALL,
        "tiny": TINY,
    },
    references=dict.fromkeys(_TASKS, FLOOR_CEILING),
    reference_names=("floor", "ceiling"),
    published=("DreamerV3 (2024 release)", "DreamerV2", "DreamerV1", "DrQ-v2", "CURL", "PlaNet"),
)
