"""DeepMind Control from pixels at 2M frames: TD-MPC2's 12 tasks."""

from bench.benchmarks.suites.dmc import FLOOR_CEILING, SMALL, TINY
from bench.results.schema import Budget, Suite

_TASKS = tuple(
    f"dmc-vision/{name}"
    for name in (
        "acrobot_swingup",
        "cartpole_swingup_sparse",
        "cheetah_run",
        "finger_spin",
        "finger_turn_easy",
        "finger_turn_hard",
        "quadruped_run",
        "quadruped_walk",
        "reacher_easy",
        "reacher_hard",
        "walker_run",
        "walker_walk",
    )
)

suite = Suite(
    name="dmc-pixels",
    measures="Continuous control from 64x64 images with a budget long enough to level off.",
    source="Hansen et al. 2024, TD-MPC2, arXiv:2310.16828: the 12 tasks of its released image runs",
    citation="Hansen, N., Su, H., Wang, X. TD-MPC2: Scalable, Robust World Models for Continuous Control. ICLR 2024.",
    tasks=_TASKS,
    budgets={
        "paper": Budget(frames=2_000_000, every=100_000, episodes=10, final_episodes=10),
        "small": SMALL,
        "tiny": TINY,
    },
    references=dict.fromkeys(_TASKS, FLOOR_CEILING),
    reference_names=("floor", "ceiling"),
    published=("TD-MPC2", "DreamerV3 (2024 release)", "DrQ-v2", "SAC (pixels)"),
)
