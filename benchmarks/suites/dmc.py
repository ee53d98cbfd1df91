"""DeepMind Control from states: TD-MPC2's 28 stock tasks and budgets. The other control suites share scales."""

from bench.results.schema import Budget, Suite

# Shared by every control suite, so that one run at these scales serves them all.
SMALL = Budget(frames=100_000, every=20_000, episodes=5, final_episodes=10)
TINY = Budget(frames=4_000, every=4_000, episodes=2, final_episodes=2)

# 1000 frames with rewards in [0, 1]: a definition of the scale, not a measured policy.
FLOOR_CEILING = (0.0, 1000.0)

_HARD = (
    "dog_run",
    "dog_stand",
    "dog_trot",
    "dog_walk",
    "humanoid_run",
    "humanoid_stand",
    "humanoid_walk",
)
_OTHERS = (
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
    "fish_swim",
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
_TASKS = tuple(f"dmc-state/{name}" for name in sorted(_HARD + _OTHERS))

suite = Suite(
    name="dmc",
    measures="Continuous control from states, from one joint to the 38 of a dog, long enough to level off.",
    source="Hansen et al. 2024, TD-MPC2, arXiv:2310.16828: the 28 of its 39 control tasks that dm_control ships",
    citation=(
        "Hansen, N., Su, H., Wang, X. TD-MPC2: Scalable, Robust World Models for Continuous Control. ICLR 2024. Tasks: "
        "Tunyasuvunakool, S. et al. dm_control: Software and tasks for continuous control. Software Impacts 6, 2020."
    ),
    tasks=_TASKS,
    budgets={
        "paper": Budget(frames=4_000_000, every=100_000, episodes=10, final_episodes=10),
        "small": SMALL,
        "tiny": TINY,
    },
    task_budgets={
        f"dmc-state/{name}": {"paper": Budget(frames=14_000_000, every=100_000, episodes=10, final_episodes=10)}
        for name in _HARD
    },
    references=dict.fromkeys(_TASKS, FLOOR_CEILING),
    reference_names=("floor", "ceiling"),
    published=(
        "TD-MPC2",
        "DC-MPC",
        "BMPC",
        "TD-MPC",
        "DreamerV3 (TD-MPC2 rerun)",
        "SAC (TD-MPC2 rerun)",
        "BRO (10 updates per decision)",
        "SimBaV2 (2 updates per decision)",
        "MR.Q",
    ),
)
