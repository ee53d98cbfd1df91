"""One update of TD-MPC2, in the order of the authors' code: model, then policy, then target critics."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from bench.agents.api import State
from bench.agents.common.percentiles import percentiles
from bench.agents.tdmpc2.config import TDMPC2Config
from bench.agents.tdmpc2.networks import Networks, gaussian_log_probability

METRICS = (
    "consistency_loss", "reward_loss", "value_loss", "termination_loss", "gradient_norm",
    "policy_loss", "entropy", "value", "policy_gradient_norm", "running_scale",
)  # fmt: skip


class Batch(NamedTuple):
    """B slices of H decisions, time first."""

    observation: dict[str, Tensor]  # each [H + 1, B, ...]; images uint8 [..., 64, 64, images * C]
    action: Tensor  # float32 [H, B, A]
    reward: Tensor  # float32 [H, B]
    terminated: Tensor  # float32 [H, B]: 1 where the action ended the episode


class Updater:
    """Owns what the update changes beside the networks: target critics, both optimisers, the running scale."""

    def __init__(self, config: TDMPC2Config, networks: Networks, discount: float):
        self.config, self.networks, self.discount = config, networks, discount
        self.target = copy.deepcopy(networks.critics).requires_grad_(False)
        encoder, others = networks.model_groups()
        self.model = [*encoder, *others]
        groups = [
            {"params": encoder, "lr": config.learning_rate * config.encoder_rate},
            {"params": others, "lr": config.learning_rate},
        ]
        self.model_optimizer = torch.optim.Adam(groups, eps=1e-8, fused=True, capturable=True)
        self.policy = list(networks.policy.parameters())
        self.policy_optimizer = torch.optim.Adam(
            self.policy, lr=config.learning_rate, eps=1e-5, fused=True, capturable=True
        )
        device = self.policy[0].device
        self.scale = torch.ones((), device=device)  # S: running spread of the values the policy is trained on
        self.weights = config.rho ** torch.arange(config.horizon + 1, device=device)

    def update(self, batch: Batch, generator: Generator) -> Tensor:
        """One optimiser step of model and policy each; METRICS as a tensor. Never waits for the device."""
        z, model = self.update_model(batch, generator)
        policy = self.update_policy(z, generator)
        critics = list(self.networks.critics.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target.parameters()), critics, self.config.target_rate)  # type: ignore[arg-type]
        return torch.stack([*model, *policy])

    @torch.no_grad()
    def targets(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor]:
        """zbar [H, B, D], what the encoder sees after each action, and y [H, B], the value the critics should give."""
        net = self.networks
        later = {key: value[1:] for key, value in batch.observation.items()}
        seen = net.encoder(later, generator)
        action, _, _ = net.policy.sample(seen, generator)
        logits = self.target(torch.cat([seen, action], dim=-1).flatten(0, 1), self.target.two(generator))
        value = net.code.decode(logits).amin(0).unflatten(0, seen.shape[:2])
        return seen, batch.reward + self.discount * (1 - batch.terminated) * value

    def losses(self, batch: Batch, generator: Generator) -> tuple[Tensor, tuple[Tensor, ...]]:
        """z [H + 1, B, D], rolled out from the first observation; consistency, reward, value and termination loss."""
        net, horizon = self.networks, self.config.horizon
        seen, target = self.targets(batch, generator)
        states = [net.encoder({key: value[0] for key, value in batch.observation.items()}, generator)]
        for action in batch.action:
            states.append(net.dynamics(torch.cat([states[-1], action], dim=-1)))
        z = torch.stack(states)
        both = torch.cat([z[:-1], batch.action], dim=-1).flatten(0, 1)
        rewards = net.reward(both).unflatten(0, (horizon, -1))
        values = net.critics(both, generator=generator).unflatten(1, (horizon, -1))
        consistency = (z[1:] - seen).square().mean((1, 2))
        reward = net.code.loss(rewards, net.code.encode(batch.reward)).mean(1)
        value = net.code.loss(values, net.code.encode(target)).mean((0, 2))
        termination = z.new_zeros(())
        if net.termination is not None:
            logits = net.termination(z[1:])[..., 0]
            termination = functional.binary_cross_entropy_with_logits(logits, batch.terminated)
        weights = self.weights[:-1]
        return z, (*((weights * loss).mean() for loss in (consistency, reward, value)), termination)

    def update_model(self, batch: Batch, generator: Generator) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step of encoder, dynamics, reward, critics; z [H + 1, B, D] from before it, and five metrics."""
        config = self.config
        z, losses = self.losses(batch, generator)
        scales = config.consistency_scale, config.reward_scale, config.value_scale, config.termination_scale
        total = sum(scale * loss for scale, loss in zip(scales, losses, strict=True))
        self.model_optimizer.zero_grad()
        torch.as_tensor(total).backward()
        norm = clip_grad_norm_(self.model, config.clip)
        self.model_optimizer.step()
        return z.detach(), (*(loss.detach() for loss in losses), norm)

    def update_policy(self, z: Tensor, generator: Generator) -> tuple[Tensor, ...]:
        """One step of the policy prior on states [H + 1, B, D] towards what two critics rate highest; five metrics."""
        net, config = self.networks, self.config
        action, noise, log_std = net.policy.sample(z, generator)
        both = torch.cat([z, action], dim=-1).flatten(0, 1)
        logits = net.critics(both, net.critics.two(generator), generator)
        value = net.code.decode(logits).mean(0).unflatten(0, z.shape[:2])
        self.scale.lerp_(spread(value[0].detach()).clamp(min=1), config.target_rate)
        entropy = self.entropy(action, noise, log_std)
        loss = -(self.weights * (config.entropy_scale * entropy + value / self.scale).mean(1)).mean()
        self.policy_optimizer.zero_grad()
        loss.backward()
        norm = clip_grad_norm_(self.policy, config.clip)
        self.policy_optimizer.step()
        return loss.detach(), entropy.detach().mean(), value.detach().mean(), norm, self.scale.clone()

    def entropy(self, action: Tensor, noise: Tensor, log_std: Tensor) -> Tensor:
        """The entropy [...] of the policy's Gaussian, times the dimensions of an action; or the first release's."""
        size = action.shape[-1]
        if self.config.entropy == "gaussian":
            return -size * gaussian_log_probability(noise, log_std)
        gaussian = size * ((-0.5 * noise.square() - log_std).sum(-1) - 0.919)
        return torch.log(1 - action.square() + 1e-6).sum(-1) - gaussian

    def state_dict(self) -> State:
        return {
            "target": self.target.state_dict(),
            "model_optimizer": self.model_optimizer.state_dict(),
            "policy_optimizer": self.policy_optimizer.state_dict(),
            "scale": self.scale.clone(),
        }

    def load_state_dict(self, state: State) -> None:
        self.target.load_state_dict(state["target"])
        self.model_optimizer.load_state_dict(state["model_optimizer"])
        self.policy_optimizer.load_state_dict(state["policy_optimizer"])
        self.scale.copy_(state["scale"])


def spread(value: Tensor) -> Tensor:
    """The distance from the 5th to the 95th percentile of values [B], linear between neighbours."""
    low, high = percentiles(value, 0.05, 0.95)
    return high - low
