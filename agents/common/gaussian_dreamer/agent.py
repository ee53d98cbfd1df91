"""DreamerV1's agent, whatever its states are learnt from: Gaussian latents, and an actor that follows the gradient of
imagined returns back through the dynamics."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Generator, Tensor, nn
from torch.nn import ELU, ReLU

from bench.agents.api import Mode
from bench.agents.common.gaussian_dreamer.config import GaussianDreamerConfig
from bench.agents.common.gaussian_dreamer.tanh_normal import TanhNormal
from bench.agents.common.representation import Representation
from bench.agents.common.rssm.agent import Networks, RecurrentAgent
from bench.agents.common.rssm.arrival import arrival_returns
from bench.agents.common.rssm.batch import Batch
from bench.agents.common.rssm.clipped_adam import ClippedAdam
from bench.agents.common.rssm.dense import Scalar
from bench.agents.common.rssm.images import Encoder
from bench.agents.common.rssm.imagination import imagine
from bench.agents.common.rssm.losses import Inferred, infer
from bench.agents.common.rssm.model import RSSM, Latent
from bench.agents.common.rssm.normal import GaussianLatents, unit_normal_loss


class GaussianDreamerNetworks(Networks):
    def __init__(self, agent: GaussianDreamer):
        super().__init__()
        config, task = agent.config, agent.task
        features, units = config.deter + config.stoch, config.units
        self.encoder = Encoder(task.observation, config.depth, units, ReLU)
        cell = nn.GRUCell(config.hidden, config.deter)
        latents, tokens = GaussianLatents(config.stoch), self.encoder.size
        self.rssm = RSSM(latents, cell, config.deter, config.hidden, agent.size, tokens, ELU)
        self.representation = agent.build_representation(features, tokens)
        self.reward = Scalar(features, units, 2, ELU)
        self.going_on = Scalar(features, units, 3, ELU) if task.terminates else None
        self.actor = TanhNormal(features, units, agent.size)
        self.value = Scalar(features, units, 3, ELU)


class GaussianDreamer(RecurrentAgent):
    config: GaussianDreamerConfig
    networks: GaussianDreamerNetworks

    @abstractmethod
    def build_representation(self, features: int, tokens: int) -> Representation:
        """The objective of states [..., features] under an encoder's tokens [..., tokens]."""

    def build(self) -> GaussianDreamerNetworks:
        return GaussianDreamerNetworks(self)

    def build_optimizers(self) -> dict[str, ClippedAdam]:
        config, networks = self.config, self.networks
        parts = {
            "model": (networks.model(), config.model_rate),
            "actor": (networks.actor.parameters(), config.actor_rate),
            "value": (networks.value.parameters(), config.value_rate),
        }
        return {name: ClippedAdam(part, rate, config.eps, config.clip) for name, (part, rate) in parts.items()}

    @property
    def frames(self) -> int:
        return self.agent_steps * self.task.action_repeat

    @property
    def prefilling(self) -> bool:
        return self.frames < self.config.prefill

    @property
    def owed(self) -> int:
        config = self.config
        if self.prefilling:
            return 0
        return config.pretrain + (self.frames - config.prefill) // config.train_every * config.train_steps

    def descend(self, batch: Batch) -> dict[str, Tensor]:
        """All three losses come before all three steps, so each sees the others' parameters as they were."""
        inferred = infer(self, batch)
        divergence = self.networks.rssm.latents.divergence(inferred.posterior, inferred.prior).mean()
        gradients = {"model": self.optimizers["model"].gradients(self.model_loss(inferred, divergence))}
        feature, reward, value, discount = self.dream(inferred.states)
        returns = arrival_returns(reward[:-1].T, value[:-1].T, discount[:-1].T, self.config.lambda_, value[-1]).T
        weight = earlier_product(discount).detach()
        actor = -(weight * returns).mean()
        gradients["actor"] = self.optimizers["actor"].gradients(actor)
        again = self.networks.value(feature[:-1].detach())
        critic = (weight * unit_normal_loss(again, returns.detach())).mean()
        gradients["value"] = self.optimizers["value"].gradients(critic)
        norms = {f"{name}_gradient_norm": self.optimizers[name].step(part) for name, part in gradients.items()}
        losses = {f"loss_{name}": term for name, term in (*inferred.terms.items(), ("actor", actor), ("value", critic))}
        report = {**losses, **norms, "kl": divergence, "return": returns.mean(), "value": again.mean()}
        return {name: value.detach() for name, value in report.items()}

    def model_loss(self, inferred: Inferred, divergence: Tensor) -> Tensor:
        """The negative evidence bound, its KL not below the free nats in the batch's mean."""
        weights = {"reward": self.config.reward_scale, "continue": self.config.continue_scale}
        terms = [weights.get(name, 1.0) * term for name, term in inferred.terms.items()]
        return torch.stack([*terms, self.config.kl_scale * divergence.clamp(min=self.config.free_nats)]).sum()

    def dream(self, states: Latent) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The H states that are imagined from each posterior state [B, T, ...], which is not among them: features
        [H, N, F], and what is predicted there: reward, value and discount [H, N]."""
        networks = self.networks
        if networks.going_on is not None:  # the last step of a sequence may be terminal, and nothing follows that
            states = Latent(*(part[:, :-1] for part in states))
        start = Latent(*(part.detach().flatten(0, 1) for part in states))
        feature = imagine(networks.rssm, networks.actor, start, self.config.imagination, self.generator)[0][1:]
        reward, value = networks.reward(feature), networks.value(feature)
        if networks.going_on is None:
            return feature, reward, value, torch.full_like(reward, self.config.discount)
        return feature, reward, value, torch.sigmoid(networks.going_on(feature))

    def decide(self, state: Latent, mode: Mode, generator: Generator) -> Tensor:
        actor = self.networks.actor
        policy = actor(state.feature)
        if mode != "explore":
            return actor.mode(policy, generator)
        shape = (len(state.deter),)
        action = actor.sample(policy, actor.noise(shape, generator))
        return (action + self.config.noise * actor.noise(shape, generator)).clamp(-1, 1)


def earlier_product(discount: Tensor) -> Tensor:
    """The weights [H - 1, N] of imagined states, of the discounts [H, N] predicted there: 1, d_1, d_1 d_2, ..."""
    return torch.cat([torch.ones_like(discount[:1]), discount[:-2]]).cumprod(0)
