"""DreamerV2: what is owed, and the update."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.agents.api import Mode
from bench.agents.common.rssm.agent import RecurrentAgent
from bench.agents.common.rssm.arrival import arrival_returns
from bench.agents.common.rssm.batch import Batch
from bench.agents.common.rssm.clipped_adam import ClippedAdam
from bench.agents.common.rssm.imagination import imagine
from bench.agents.common.rssm.losses import infer
from bench.agents.common.rssm.model import Latent, Latents
from bench.agents.common.rssm.normal import unit_normal_loss
from bench.agents.dreamer_v2.config import DreamerV2Config
from bench.agents.dreamer_v2.networks import DreamerV2Networks


class DreamerV2(RecurrentAgent):
    config: DreamerV2Config
    networks: DreamerV2Networks

    def build(self) -> DreamerV2Networks:
        return DreamerV2Networks(self)

    def build_optimizers(self) -> dict[str, ClippedAdam]:
        config, networks = self.config, self.networks
        parts = {
            "model": (networks.model(), config.model_rate),
            "actor": (networks.actor.parameters(), config.actor_rate),
            "value": (networks.value.parameters(), config.value_rate),
        }
        return {
            name: ClippedAdam(part, rate, config.eps, config.clip, config.decay) for name, (part, rate) in parts.items()
        }

    @property
    def prefilling(self) -> bool:
        return self.agent_steps < self.config.prefill

    @property
    def owed(self) -> int:
        config = self.config
        if self.prefilling:
            return 0
        return config.pretrain + (self.agent_steps - config.prefill) // config.train_every * config.train_steps

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Then, when its turn comes, the target critic."""
        report = super().update(batch)
        if self.updates % self.config.target_every == 0:
            self.networks.target.load_state_dict(self.networks.value.state_dict())
        return report

    def descend(self, batch: Batch) -> dict[str, Tensor]:
        """World model; then, in its dreams, actor and critic."""
        if self.config.squash:
            batch = batch._replace(reward=torch.tanh(batch.reward))
        states, report = self.update_model(batch)
        return report | self.update_behaviour(states, batch.terminal)

    def update_model(self, batch: Batch) -> tuple[Latent, dict[str, Tensor]]:
        """One step of the world model; the states [B, T, ...] it saw, without gradients, and what to report."""
        config, latents = self.config, self.networks.rssm.latents
        inferred = infer(self, batch)
        kl = balanced_kl(latents, inferred.posterior, inferred.prior, config.kl_balance, config.free_nats)
        weights = {"reward": config.reward_scale, "continue": config.continue_scale}
        terms = [weights.get(name, 1.0) * term for name, term in inferred.terms.items()]
        optimizer = self.optimizers["model"]
        norm = optimizer.step(optimizer.gradients(torch.stack([*terms, config.kl_scale * kl]).sum()))
        report = {f"loss_{name}": term.detach() for name, term in inferred.terms.items()}
        report |= {"loss_kl": kl.detach(), "model_gradient_norm": norm}
        return Latent(*(part.detach() for part in inferred.states)), report

    def update_behaviour(self, states: Latent, terminal: Tensor) -> dict[str, Tensor]:
        """One step of actor and critic each, from the states [B, T, ...], some of which are terminal [B, T]."""
        config, networks = self.config, self.networks
        start = Latent(*(part.flatten(0, 1) for part in states))
        with torch.set_grad_enabled(config.reinforce < 1):  # REINFORCE alone needs no gradient through the dream
            feature, action = imagine(networks.rssm, networks.actor, start, config.imagination, self.generator)
            value, discount = networks.target(feature), self.discounts(feature, terminal.flatten())
            reward = networks.reward(feature)
            target = arrival_returns(reward[:-1].T, value[:-1].T, discount[:-1].T, config.lambda_, value[-1]).T
        weight = torch.cat([torch.ones_like(discount[:1]), discount[:-1]]).detach().cumprod(0)
        actor, entropy = self.actor_loss(feature, action, target, value, weight)
        again = networks.value(feature[:-1].detach())
        critic = (weight[:-1] * unit_normal_loss(again, target.detach())).mean()
        gradients = {"actor": self.optimizers["actor"].gradients(actor)}
        gradients["value"] = self.optimizers["value"].gradients(critic)
        norms = {f"{name}_gradient_norm": self.optimizers[name].step(part) for name, part in gradients.items()}
        report = {"loss_actor": actor, "loss_value": critic, "policy_entropy": entropy, "return": target.mean(),
                  "value": again.mean()}  # fmt: skip
        return {**{name: number.detach() for name, number in report.items()}, **norms}

    def actor_loss(
        self, feature: Tensor, action: Tensor, target: Tensor, value: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss, and the policy's mean entropy. An action first affects the target of the state it leads to, so
        state k is paired with target k + 1 [H, N]; the last two states of features [H + 1, N, F] are dropped."""
        config, actor = self.config, self.networks.actor
        policy = actor(feature[:-2].detach())
        entropy = actor.entropy(policy)
        objective = config.entropy_scale * entropy
        if config.reinforce > 0:
            advantage = (target[1:] - value[:-2]).detach()
            objective = objective + config.reinforce * actor.logprob(policy, action[:-1].detach()) * advantage
        if config.reinforce < 1:
            objective = objective + (1 - config.reinforce) * target[1:]
        return -(weight[:-2] * objective).mean(), entropy.mean()

    def discounts(self, feature: Tensor, terminal: Tensor) -> Tensor:
        """[H + 1, N]: the first is replay's, the others are predicted; constant where no episode ends by itself."""
        going_on = self.networks.going_on
        if going_on is None:
            return torch.full(feature.shape[:-1], self.config.discount, device=feature.device)
        first = self.config.discount * (~terminal).float()
        return torch.cat([first[None], torch.sigmoid(going_on(feature[1:]))])

    def decide(self, state: Latent, mode: Mode, generator: Generator) -> Tensor:
        actor = self.networks.actor
        policy = actor(state.feature)
        if mode != "explore":
            return actor.mode(policy, generator)
        return actor.sample(policy, actor.noise((len(state.deter),), generator))


def balanced_kl(latents: Latents, posterior: Tensor, prior: Tensor, balance: float, free_nats: float) -> Tensor:
    """alpha KL(sg q || p) + (1 - alpha) KL(q || sg p), each a mean over the batch and not below the free nats."""
    trains_prior = latents.divergence(posterior.detach(), prior).mean()
    trains_posterior = latents.divergence(posterior, prior.detach()).mean()
    return balance * trains_prior.clamp(min=free_nats) + (1 - balance) * trains_posterior.clamp(min=free_nats)
