"""Configuration of DC-MPC. [C]: the value of the authors' released code at cc2a33a (2025-03-01)."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig


@dataclass(frozen=True)
class DCMPCConfig(AgentConfig):
    # Networks
    slots: int = 512  # d, codes of a latent state [C]; 1024 for dogs and humanoids (tasks.py)
    levels: tuple[int, ...] = (5, 3)  # values of each channel of a code; their product is the codebook's size [C]
    encoder_width: int = 256  # units of the encoder's hidden layer [C]
    width: int = 512  # units of the two hidden layers of all other networks [C]
    members: int = 5  # critics [C]
    reward_bound: float = 0.0  # rewards lie between 0 and this; 0: anywhere. dm_control's: the action repeat [C]
    bottleneck: str = "fsq"  # what a latent passes: "fsq" [C]; "simnorm"; "none"
    group: int = 8  # V, numbers that SimNorm makes a distribution of
    consistency: str = "cross-entropy"  # of predicted codes [C]; "mse": the dynamics predicts the numbers themselves
    training: str = "sample"  # the code a rollout goes on with [C]; "expected"; "mode": the likeliest
    planning: str = "expected"  # likewise, in plans [C]; "sample"; "mode"
    # Learning
    batch: int = 512  # B, slices per update, and transitions [C]
    horizon: int = 5  # H, decisions of a slice [C]
    rho: float = 0.9  # weight of step t of a slice is rho**t [C]
    model_rate: float = 1e-4  # AdamW's learning rate of encoder, dynamics, reward [C]
    weight_decay: float = 0.01  # AdamW's, likewise [C: the library's default]
    learning_rate: float = 3e-4  # Adam, critics and actor each [C]
    clip: float = 20.0  # largest global norm of the gradient: model, critics, actor each [C]
    target_rate: float = 0.005  # per step: how far the target critics and the target actor move [C]
    actor_every: int = 2  # critics' steps per step of the actor [C]
    discount: float = 0.99  # gamma, per decision [C]
    n_step: int = 1  # decisions whose rewards a target counts [C]; per task (tasks.py)
    one_step_discounted: bool = True  # False: at n_step=1 the value behind a reward counts in full [C]
    target_noise: float = 0.2  # deviation of the noise on the target actor's action [C]
    target_noise_limit: float = 0.3  # and its largest size [C]
    replay: int = 10_000_000  # rows [C]
    random_episodes: int = 10  # over all environments, before the first update [C]
    steps_per_update: int = 1  # decisions of finished episodes per update [C]
    # Exploring
    noise_start: float = 1.0  # deviation of the noise on actions [C]
    noise_end: float = 0.1  # [C]
    noise_episodes: int = 150  # over which it falls linearly [C]: 50, 150 or 500 per task (tasks.py)
    # Planning
    plan_horizon: int = 3  # decisions [C]
    plan_discount: float = 0.99  # per decision; rho there [C]
    iterations: int = 6  # refits of MPPI [C]
    samples: int = 512  # N, candidate sequences [C]
    elites: int = 64  # of them, that the Gaussian is refitted to [C]
    proposals: int = 24  # of them, from the actor [C]
    shared_noise: bool = False  # True: one noise for all candidates, so that all proposals are one [C]
    std_min: float = 0.05  # of the planner's Gaussian [C]
    std_max: float = 2.0  # likewise, and its first one [C]
    temperature: float = 0.5  # of the elites' weights, per unit of return [C]
