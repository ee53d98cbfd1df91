"""Configuration of World Models. [O]: the authors' released code; [P]: the article; [D]: ours, unpublished.

The defaults are the published CarRacing experiment; variants.py has Take Cover's and those of our extensions.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.agents.api import AgentConfig


@dataclass(frozen=True)
class WorldModelsConfig(AgentConfig):
    # Data
    exploration: str = "cauchy"  # the random policy: "cauchy" [O]; "hold" [O, Take Cover]; "brownian"; "uniform"
    data_episodes: int = 10_000  # that the random policy plays [P]
    data_steps: int = 1000  # decisions of one of them, at most [O]
    data_least: int = 1  # decisions: shorter episodes teach nothing; 101 on Take Cover [O]
    # V, the variational autoencoder
    latent: int = 32  # Nz, numbers of z [P]; 64 on Take Cover
    kl_tolerance: float = 0.5  # nats per number of z that the KL term may take for free [O]
    v_units: int = 64  # of the hidden layers that see vectors [D]
    v_weight: float = 1.0  # of the squared error in the loss [O]; vectors have fewer numbers to sum [D]
    v_rate: float = 1e-4  # Adam's learning rate [O]
    v_batch: int = 100  # frames per update [O]
    v_epochs: int = 10  # passes over the frames [O]; the article says 1
    # M, the mixture-density recurrent network
    hidden: int = 256  # units of the LSTM [P]; 512 on Take Cover
    mixtures: int = 5  # K, Gaussians per number of z [P]
    m_batch: int = 100  # streams of episodes that are read together [O]
    m_length: int = 999  # decisions per update [O]; 500 on Take Cover
    m_updates: int = 4000  # [O]; 24,400 on Take Cover; 0 leaves M as it was drawn
    m_rate: float = 1e-3  # Adam's first learning rate [O]
    m_rate_min: float = 1e-5  # what it falls towards [O]
    m_rate_decay: float = 1.0  # per update: how [O]; 0.99999 on Take Cover
    m_clip: float = 1.0  # largest size of each element of the gradient [O]
    end: bool = False  # M predicts the end of an episode and is told of its start [O, Take Cover]
    end_weight: float = 10.0  # of the decisions that ended one, in the loss [O]
    reward: str = "none"  # in dreams: "none" [O]; "alive": 1 per decision [O, Take Cover]; "tiles", "linear" [D]
    # C, the controller
    sees: str = "zh"  # its inputs: z, h and the LSTM's cell c [P]; "zch" on Take Cover
    bias: bool = True  # [O]; False on Take Cover
    units: int = 0  # of a hidden layer; 0: linear [P]
    actions: str = "racing"  # what its outputs mean: "racing" [O]; "thirds" [O, Take Cover]; "box", "argmax" [D]
    act_on: str = "sample"  # z: "sample" [O]; "mean" [D]
    # CMA-ES
    fitness: str = "real"  # where candidates are rated: in the "real" task, or in a "dream" of M
    population: int = 64  # candidates of a generation [O]
    rollouts: int = 16  # episodes of each [O]
    generations: int = 1800  # [O]
    sigma: float = 0.1  # first step size [O]
    covariance: str = "separable"  # a diagonal one [D]; "full" [O]
    patience: int = 0  # a rated episode ends after more losing decisions in a row than this; 0: never [O]
    # Dreams
    temperature: float = 1.15  # tau [P]; the released code has 1.25
    bank: int = 1000  # first frames that dreams start from, at most [O]
    gap_rollouts: int = 4  # episodes of the task for each of one last population, to tell the dream gap; 0: none [D]
    horizon: int = 1000  # decisions of a dream, at most; 2100 on Take Cover [O]
