"""Take Cover: dodge fireballs in a Doom room, the task that the World Models paper solves inside its own dream."""

from bench.results.schema import Budget, Suite

suite = Suite(
    name="takecover",
    measures=(
        "Staying alive by looking ahead: monsters shoot across a room, the player moves left or right; 750 tics in the "
        "mean of 100 episodes count as solved. The paper trains its controller in the model's dream only."
    ),
    source="Ha & Schmidhuber 2018, World Models, arXiv:1803.10122",
    citation=(
        "Ha, D., Schmidhuber, J. Recurrent World Models Facilitate Policy Evolution. NeurIPS 2018. Task: Kempka, M. et "
        "al. ViZDoom: A Doom-based AI Research Platform for Visual Reinforcement Learning. CIG 2016; there another "
        "package's DoomTakeCover-v0, here ViZDoom's own take_cover.cfg."
    ),
    tasks=("takecover/v1",),
    budgets={
        # 12,800 recorded episodes of about 308 frames, 10,000 of which are used; the dream costs no frames
        "paper": Budget(frames=4_000_000, every=500_000, episodes=16, final_episodes=100),
        "small": Budget(frames=400_000, every=100_000, episodes=5, final_episodes=20),
        "tiny": Budget(frames=4_000, every=4_000, episodes=2, final_episodes=2),
    },
    # measured under takecover/v1: 20 episodes of uniform actions, standard error 16.7, by
    # python -c "from bench.benchmarks.random_scores import play; print(play('takecover/v1'))"
    # 750 solves it by definition
    references={"takecover/v1": (199.1, 750.0)},
    reference_names=("random", "solved"),
    published=(
        "World Models (dream, temperature 1.15)",
        "World Models (dream, temperature 0.10)",
        "World Models (released checkpoint)",
        "Gym leaderboard",
    ),
)
