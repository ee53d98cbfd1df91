"""Configuration of DreamerV2. [C]: the value of the authors' released code (danijar/dreamerv2 at 07d906e). Where a
task's protocol decides, the default here is dm_control's; variants.py has the others."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig


@dataclass(frozen=True)
class DreamerV2Config(AgentConfig):
    settings: str = "paper"  # per protocol: "paper", or "code" as released, which differs on Atari (variants.py)

    latents: int = 32  # categorical variables Z [C]
    classes: int = 32  # C per latent [C]
    deter: int = 200  # size of the recurrent state h; 600 on Atari [C]
    hidden: int = 200  # units around it; 600 on Atari [C]
    depth: int = 48  # channels of the first convolution [C]
    units: int = 400  # of every hidden layer of the heads [C], and of vectors' encoder and decoder

    batch: int = 16  # sequences B per update [C]; 50 in the paper's Atari
    length: int = 50  # steps T per sequence [C]
    replay: int = 2_000_000  # rows [C]
    prefill: int = 1000  # agent steps of uniformly random actions; 50,000 on Atari [C]
    pretrain: int = 100  # updates then; 1 on Atari [C]
    train_every: int = 5  # agent steps between bursts; on Atari 4 in the paper, 16 in the code [C]
    train_steps: int = 1  # updates per burst [C]

    kl_balance: float = 0.8  # alpha: weight of the KL that trains the prior; 1 - alpha, of that of the posterior [C]
    kl_scale: float = 1.0  # 0.1 on Atari [C]
    free_nats: float = 1.0  # below which the batch's mean KL trains nothing; 0 on Atari [C]
    reward_scale: float = 1.0  # weight of the reward's likelihood [C]
    continue_scale: float = 5.0  # weight of the head of going on, where episodes end by themselves [C]
    squash: bool = False  # whether the model's reward is tanh of the task's: on Atari [C]

    imagination: int = 15  # decisions H [C]
    discount: float = 0.99  # gamma, per decision [C]; on Atari 0.995 in the paper, 0.999 in the code
    lambda_: float = 0.95  # of the returns [C]
    reinforce: float = 0.0  # rho: REINFORCE's share of the actor's gradient, the rest is the dynamics'; discrete: 1 [C]
    entropy_scale: float = 1e-4  # eta; 1e-3 on Atari [C]
    target_every: int = 100  # updates between copies of the critic to its target [C]

    model_rate: float = 3e-4  # Adam; 2e-4 on Atari [C]
    actor_rate: float = 8e-5  # 4e-5 on Atari [C]
    value_rate: float = 8e-5  # 1e-4 on Atari [C]
    eps: float = 1e-5  # Adam's [C]
    decay: float = 1e-6  # of every parameter per update [C]
    clip: float = 100.0  # largest global norm of a part's gradient [C]
