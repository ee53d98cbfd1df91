"""The toys: four numpy tasks that a CPU learns in seconds to minutes, one for each kind of input and action."""

from bench.envs import toys
from bench.results.schema import Budget, Suite

suite = Suite(
    name="toy",
    measures=(
        "Whether an agent learns at all: delayed reward, feedback (the best open-loop plan stays under half way from "
        "random to the optimum) and, on pixel-catch, memory. Solved at 80 % of the way, in the mean of 20 episodes."
    ),
    source="bench.envs.toys",
    citation="none: these tasks were made for this suite",
    tasks=("toy/reach", "toy/maze", "toy/pixel-reach", "toy/pixel-catch"),
    budgets={
        "paper": Budget(frames=200_000, every=10_000, episodes=20, final_episodes=100),
        "small": Budget(frames=50_000, every=5_000, episodes=20, final_episodes=20),
        "tiny": Budget(frames=12_000, every=2_000, episodes=20, final_episodes=20),
    },
    references=toys.references(),
    reference_names=("random", "optimum"),
)
