"""PlaNet: what it sees, what is owed, the update, and planning."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import ReLU

from bench.agents.api import Mode
from bench.agents.common.planner import Search, search
from bench.agents.common.rssm.agent import Networks, RecurrentAgent
from bench.agents.common.rssm.batch import Batch
from bench.agents.common.rssm.clipped_adam import ClippedAdam
from bench.agents.common.rssm.dense import Scalar
from bench.agents.common.rssm.images import Decoder, Encoder, seen_vectors
from bench.agents.common.rssm.losses import infer
from bench.agents.common.rssm.model import RSSM, Latent
from bench.agents.common.rssm.normal import GaussianLatents
from bench.agents.common.rssm.reconstruction import Reconstruction
from bench.agents.planet.config import PlaNetConfig

LEAST = 1e-3  # deviation of the planner's Gaussian: the root of the 1e-6 that is added to its variance


class PlaNetNetworks(Networks):
    def __init__(self, agent: PlaNet):
        super().__init__()
        config, space = agent.config, agent.task.observation
        features, units = config.deter + config.stoch, config.units
        self.encoder = Encoder(space, config.depth, units, ReLU)
        cell = nn.GRUCell(config.hidden, config.deter)
        latents, tokens = GaussianLatents(config.stoch), self.encoder.size
        self.rssm = RSSM(latents, cell, config.deter, config.hidden, agent.size, tokens, ReLU)
        self.representation = Reconstruction(Decoder(features, space, config.depth, units, ReLU))
        self.reward = Scalar(features, units, 3, ReLU)
        self.going_on = Scalar(features, units, 3, ReLU) if agent.task.terminates else None


class PlaNet(RecurrentAgent):
    config: PlaNetConfig
    networks: PlaNetNetworks

    def build(self) -> PlaNetNetworks:
        return PlaNetNetworks(self)

    def build_optimizers(self) -> dict[str, ClippedAdam]:
        config = self.config
        return {"model": ClippedAdam(self.networks.model(), config.model_rate, config.eps, config.clip)}

    @property
    def prefilling(self) -> bool:
        return self.episodes < self.config.random_episodes

    @property
    def owed(self) -> int:
        """A burst after the random episodes, and one after every later episode or so many."""
        config = self.config
        if self.prefilling:
            return 0
        return (1 + (self.episodes - config.random_episodes) // config.train_every) * config.train_steps

    def seen(self, observation: dict[str, Tensor], generator: Generator | None) -> dict[str, Tensor]:
        image = {key: quantised(value, generator) for key, value in observation.items() if key == "image"}
        return seen_vectors(observation) | image

    def descend(self, batch: Batch) -> dict[str, Tensor]:
        config, optimizer = self.config, self.optimizers["model"]
        inferred = infer(self, batch)
        kl = self.networks.rssm.latents.divergence(inferred.posterior, inferred.prior)
        weights = {"reward": config.reward_scale, "continue": config.continue_scale}
        terms = [weights.get(name, 1.0) * term for name, term in inferred.terms.items()]
        divergence = config.kl_scale * free(kl, config.free_nats)
        norm = optimizer.step(optimizer.gradients(torch.stack([*terms, divergence]).sum()))
        losses = {f"loss_{name}": term for name, term in inferred.terms.items()}
        report = {**losses, "kl": kl.mean(), "model_gradient_norm": norm}
        return {name: value.detach() for name, value in report.items()}

    def decide(self, state: Latent, mode: Mode, generator: Generator) -> Tensor:
        action = self.plan(state, generator)
        if mode != "explore":
            return action
        return (action + self.config.noise * torch.randn(action.shape, generator=generator, device=self.device)).clamp(
            -1, 1
        )

    @torch.no_grad()
    def plan(self, state: Latent, generator: Generator) -> Tensor:
        """CEM from states [E, ...], anew at every decision: the first action [E, A] of the last mean."""
        config, envs = self.config, len(state.deter)
        start = Latent(*(part.repeat_interleave(config.candidates, 0) for part in state))
        settings = Search(config.iterations, config.candidates, config.elites, 0.0, LEAST, 1.0)
        mean = torch.zeros(envs, config.imagination, self.size, device=self.device)

        def returns(candidates: Tensor) -> Tensor:
            actions = candidates.transpose(0, 1).flatten(1, 2)  # [H, E J, A]
            return self.returns(start, actions, generator).unflatten(0, (envs, -1))

        return search(returns, mean, mean[:, :, None][:, :, :0], settings, generator).mean[:, 0]

    def returns(self, state: Latent, actions: Tensor, generator: Generator) -> Tensor:
        """Summed rewards [N] of dreams from states [N, ...] under actions [H, N, A]; what follows an end counts as
        much as is still going on."""
        networks = self.networks
        noise = networks.rssm.latents.noise(actions.shape[:2], generator)
        total, alive = torch.zeros_like(state.deter[:, 0]), torch.ones_like(state.deter[:, 0])
        for action, chance in zip(actions, noise, strict=True):
            state = networks.rssm.dream(state, action, chance)
            total = total + alive * networks.reward(state.feature)
            if networks.going_on is not None:
                alive = alive * torch.sigmoid(networks.going_on(state.feature))
        return total


def free(kl: Tensor, free_nats: float) -> Tensor:
    """The mean of what the KL [B, T] exceeds the free nats by, step by step."""
    return (kl - free_nats).clamp(min=0).mean()


def quantised(image: Tensor, generator: Generator | None) -> Tensor:
    """Images uint8 in 5 bits about 0, spread evenly over each of the 32 steps; without a generator, its lower edge."""
    steps = torch.div(image, 8, rounding_mode="floor").float() / 32 - 0.5
    if generator is None:
        return steps
    return steps + torch.rand(steps.shape, generator=generator, device=image.device) / 32
