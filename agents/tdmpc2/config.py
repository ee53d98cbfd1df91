"""Configuration of TD-MPC2. [C]: the value of the authors' released code at e9f5932 (2026-07-13), size 5."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig, Task


@dataclass(frozen=True)
class TDMPC2Config(AgentConfig):
    # Networks
    encoder_width: int = 256  # units of the encoder's hidden layers, of vectors [C]
    encoder_layers: int = 2  # linear layers of the encoder, at least 2, of vectors [C]
    width: int = 512  # units of the hidden layers of all other networks [C]
    latent: int = 512  # D, numbers of the latent state; of images 16 per channel of the convolutions [C]
    group: int = 8  # V, numbers that SimNorm makes a distribution of [C]
    members: int = 5  # E, critics [C]
    dropout: float = 0.01  # probability, in the first layer of the critics [C]
    bins: int = 101  # K, of the two-hot codes of rewards and values [C]
    bins_limit: float = 10.0  # the bins span [-limit, limit] of symlog(value) [C]
    log_std_min: float = -10.0  # of the policy's Gaussian before its tanh [C]
    log_std_max: float = 2.0  # likewise [C]
    images: int = 3  # last images seen at once; vectors are seen alone [C]
    image_gain: float = 1.0  # factor of the convolutions' initial weights over torch's [C]
    shift: int = 3  # pixels: the largest random shift of an image along each axis [C]
    episodic: bool = False  # whether terminations are predicted; set where the task terminates (spec.py) [C]
    # Learning
    batch: int = 256  # B, slices per update [C]
    horizon: int = 3  # H, decisions of a slice and of a plan [C]
    rho: float = 0.5  # weight of step t of a slice is rho**t [C]; 0.7 where the task terminates [C]
    consistency_scale: float = 20.0  # of its loss [C]
    reward_scale: float = 0.1  # of its loss [C]
    value_scale: float = 0.1  # of its loss [C]
    termination_scale: float = 1.0  # of its loss [C]
    learning_rate: float = 3e-4  # Adam [C]
    encoder_rate: float = 0.3  # the encoder's learning rate, in learning rates [C]
    clip: float = 20.0  # largest global norm of the gradient, model and policy each [C]
    target_rate: float = 0.01  # per update: how far the target critics and the running scale move [C]
    entropy_scale: float = 1e-4  # of the policy's entropy [C]
    entropy: str = "gaussian"  # "gaussian": A times that before the tanh [C]; "v1": the first release's
    discount_share: float = 5.0  # the discount's horizon is an episode divided by this [C]
    discount_min: float = 0.95  # per decision [C]
    discount_max: float = 0.995  # per decision [C]; 0.99 where the task terminates [C]; where no time limit is known
    replay: int = 1_000_000  # rows [C]
    seed_steps: int = 1000  # decisions per environment before the first update, at least [C]
    seed_episodes: int = 5  # of full length before the first update, at least [C]
    steps_per_update: int = 1  # decisions collected per update [C]
    # Planning
    iterations: int = 6  # refits of MPPI [C]
    iterations_more: int = 2  # further ones where actions have 20 dimensions or more [C]
    samples: int = 512  # N, candidate sequences [C]
    elites: int = 64  # of them, that the Gaussian is refitted to [C]
    proposals: int = 24  # of them, drawn from the policy prior [C]
    std_min: float = 0.05  # of the planner's Gaussian [C]
    std_max: float = 2.0  # likewise, and its first one [C]
    temperature: float = 0.5  # of the elites' weights, per unit of return [C]


def discount(config: TDMPC2Config, task: Task) -> float:
    """Per decision: a horizon of a fifth of the episode, within limits: 0.99 for 500 decisions, 0.95 for 100."""
    if task.episode_steps is None:
        return config.discount_max
    share = task.episode_steps / config.discount_share
    return min(max((share - 1) / share, config.discount_min), config.discount_max)


def seeding(config: TDMPC2Config, task: Task) -> int:
    """Decisions, over all environments, before the first update."""
    return config.collection.envs * max(config.seed_steps, config.seed_episodes * (task.episode_steps or 0))
