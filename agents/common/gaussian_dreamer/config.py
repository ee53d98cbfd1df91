"""What configures DreamerV1's agent, for all families that have it. [C]: the value of the authors' released code
(danijar/dreamer at 56d4d44), which is the paper's unless a comment says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig


@dataclass(frozen=True)
class GaussianDreamerConfig(AgentConfig):
    stoch: int = 30  # size of the Gaussian latent z [C]
    deter: int = 200  # size of the recurrent state h [C]
    hidden: int = 200  # units around it [C]
    depth: int = 32  # channels of the first convolution [C]
    units: int = 400  # of every hidden layer of the heads [C], and of vectors' encoder and decoder

    batch: int = 50  # sequences B per update [C]
    length: int = 50  # steps T per sequence [C]
    replay: int = 2_500_000  # rows: all of 5 million frames at a repeat of 2
    prefill: int = 5000  # frames of uniformly random actions [C]
    pretrain: int = 100  # updates then [C]
    train_every: int = 1000  # frames between bursts of updates [C]
    train_steps: int = 100  # updates per burst [C]

    kl_scale: float = 1.0  # weight of the KL [C]
    free_nats: float = 3.0  # below which the batch's mean KL trains nothing [C]
    reward_scale: float = 1.0  # weight of the reward's likelihood [C]
    continue_scale: float = 10.0  # weight of the head of going on, where episodes end by themselves [C]
    imagination: int = 15  # decisions H [C]
    discount: float = 0.99  # gamma, per decision [C]
    lambda_: float = 0.95  # of the returns [C]
    noise: float = 0.3  # deviation of what exploring adds to actions [C]

    model_rate: float = 6e-4  # Adam, likewise the next two [C]
    actor_rate: float = 8e-5  # [C]
    value_rate: float = 8e-5  # [C]
    eps: float = 1e-7  # Adam's [C]; 1e-4 in the code of the paper's runs
    clip: float = 100.0  # largest global norm of a part's gradient [C]
