"""CarRacing: drive a lap of a random track from pixels, the first task of the World Models paper."""

from bench.results.schema import Budget, Suite

suite = Suite(
    name="carracing",
    measures="Control from images on tracks never seen before; 900 in the mean of 100 tracks counts as solved.",
    source="Ha & Schmidhuber 2018, World Models, arXiv:1803.10122",
    citation=(
        "Ha, D., Schmidhuber, J. Recurrent World Models Facilitate Policy Evolution. NeurIPS 2018. Task: Klimov, O. "
        "CarRacing-v0, OpenAI Gym, 2016; here Gymnasium's CarRacing-v3."
    ),
    tasks=("carracing/v3",),
    budgets={
        # 12.8M recorded frames, then 1,800 generations of 64 candidates x 16 tracks: 1,719M; a point about every
        # 25 generations, as its log has it
        "paper": Budget(frames=1_732_000_000, every=25_000_000, episodes=16, final_episodes=100),
        "small": Budget(frames=500_000, every=100_000, episodes=5, final_episodes=20),
        "tiny": Budget(frames=4_000, every=4_000, episodes=2, final_episodes=2),
    },
    # measured under carracing/v3: uniform actions, episode seeds 0-19, standard error 1.4; 900 solves it by definition
    references={"carracing/v3": (-32.5, 900.0)},
    reference_names=("random", "solved"),
    published=("World Models", "World Models (z only)", "Recurrent PPO (RL Zoo)", "PPO (RL Zoo)"),
)
