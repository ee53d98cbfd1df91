"""One update of DC-MPC, in the order of the authors' code: model, critics, and every other time the actor."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import clip_grad_norm_

from bench.agents.api import State
from bench.agents.common.capture import Capture
from bench.agents.dcmpc.config import DCMPCConfig
from bench.agents.dcmpc.networks import Networks

METRICS = (
    "consistency_loss", "reward_loss", "model_gradient_norm", "effective_rank", "critic_loss", "value",
    "critic_gradient_norm", "actor_loss", "actor_gradient_norm",
)  # fmt: skip


class Slices(NamedTuple):
    """B slices of H decisions, time first: what the world model learns from."""

    observation: dict[str, Tensor]  # each [H + 1, B, size]
    action: Tensor  # float32 [H, B, A]
    reward: Tensor  # float32 [H, B]


class Transitions(NamedTuple):
    """B decisions and what followed up to n steps later: what critics and actor learn from."""

    observation: dict[str, Tensor]  # each [B, size]
    action: Tensor  # float32 [B, A]
    reward: Tensor  # float32 [B]: discounted sum up to the n-th step or the episode's end
    later: dict[str, Tensor]  # each [B, size]: what was seen then
    discount: Tensor  # float32 [B]: of the value there; 0 where the environment ended the episode
    valid: Tensor  # bool [B]: False where no decision was taken


class Updater:
    """Owns what the update changes beside the networks: targets, three optimisers, the count of the critics' steps."""

    def __init__(self, config: DCMPCConfig, networks: Networks, capture: Capture):
        self.config, self.networks = config, networks
        self.target_critics = copy.deepcopy(networks.critics).requires_grad_(False)
        self.target_actor = copy.deepcopy(networks.actor).requires_grad_(False)
        self.parts = {
            "model": networks.model(),
            "critics": list(networks.critics.parameters()),
            "actor": list(networks.actor.parameters()),
        }
        on_device: dict[str, Any] = {"fused": True, "capturable": True}  # nothing of a step is done by the host
        model = torch.optim.AdamW(
            self.parts["model"], lr=config.model_rate, weight_decay=config.weight_decay, **on_device
        )
        others = {
            name: torch.optim.Adam(self.parts[name], lr=config.learning_rate, **on_device)
            for name in ("critics", "actor")
        }
        self.optimizers: dict[str, torch.optim.Optimizer] = {"model": model, **others}
        device = self.parts["model"][0].device
        self.weights = config.rho ** torch.arange(config.horizon, device=device)
        self.critic_steps = 0
        self.descended = capture(self.descend)
        self.actor_metrics = torch.zeros(2, device=device)  # of the actor's last step
        self.metrics = METRICS if networks.latents.fsq is None else (*METRICS, "codebook_used")

    def update(self, slices: Slices, transitions: Transitions, generator: Generator) -> Tensor:
        """One optimiser step of model and critics each, and of the actor when its turn comes; the metrics as a
        tensor. Never waits for the device."""
        self.critic_steps += 1
        return self.descended(slices, transitions, self.critic_steps % self.config.actor_every == 0, generator)

    def descend(self, slices: Slices, transitions: Transitions, actor: bool, generator: Generator) -> Tensor:
        """The same on the device alone."""
        model, seen = self.update_model(slices, generator)
        with torch.no_grad():
            code, later = (self.networks.encode(o) for o in (transitions.observation, transitions.later))
        critics = self.update_critics(code, later, transitions, generator)
        if actor:
            self.actor_metrics.copy_(torch.stack(self.update_actor(code, generator)))
        used = () if self.networks.latents.fsq is None else (self.codebook_used(seen[0]),)
        return torch.stack([*model, effective_rank(seen[0]), *critics, *self.actor_metrics, *used])

    def losses(self, slices: Slices, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Consistency and reward loss of a rollout from the first observation; seen [H, B, D], the latents of the
        later ones."""
        net, config = self.networks, self.config
        with torch.no_grad():
            seen = net.encode({key: value[1:] for key, value in slices.observation.items()})
        z = net.encode({key: value[0] for key, value in slices.observation.items()})
        known: list[Tensor] = []
        consistency: list[Tensor] = []
        for action, target in zip(slices.action, seen, strict=True):
            known.append(torch.cat([z, action], dim=-1))
            output = net.dynamics(known[-1])
            z = net.latents.after(output, config.training, generator)
            consistency.append(net.latents.loss(output, z, target).mean())
        error = net.rewards(torch.stack(known)) - slices.reward
        weights = self.weights
        return (weights * torch.stack(consistency)).mean(), (weights * error.square().mean(1)).mean(), seen

    def update_model(self, slices: Slices, generator: Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """One step of encoder, dynamics and reward; three metrics, and the latents seen [H, B, D] before it."""
        consistency, reward, seen = self.losses(slices, generator)
        norm = self.step("model", consistency + reward)
        return (consistency.detach(), reward.detach(), norm), seen

    @torch.no_grad()
    def targets(self, later: Tensor, transitions: Transitions, generator: Generator) -> Tensor:
        """y [B]: rewards, and the lesser of two target critics at the target actor's noisy action."""
        config, critics = self.config, self.target_critics
        action = torch.tanh(self.target_actor(later))
        noise = config.target_noise * torch.randn(action.shape, generator=generator, device=action.device)
        action = (action + noise.clamp_(-config.target_noise_limit, config.target_noise_limit)).clamp_(-1, 1)
        value = critics(torch.cat([later, action], dim=-1), critics.two(generator))[..., 0].amin(0)
        return transitions.reward + transitions.discount * value

    def update_critics(
        self, code: Tensor, later: Tensor, transitions: Transitions, generator: Generator
    ) -> tuple[Tensor, ...]:
        """One step of all critics at latents [B, D] towards the targets, and of their targets; three metrics."""
        target = self.targets(later, transitions, generator)
        value = self.networks.critics(torch.cat([code, transitions.action], dim=-1))[..., 0]
        valid = transitions.valid
        loss = ((value - target).square().mean(0) * valid).sum() / valid.sum()
        norm = self.step("critics", loss)
        self.follow(self.target_critics, "critics")
        return loss.detach(), value.detach().mean(), norm

    def update_actor(self, code: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """One step of the actor at latents [B, D] towards what two critics rate highest, and of its target."""
        net = self.networks
        both = torch.cat([code, torch.tanh(net.actor(code))], dim=-1)
        loss = -net.critics(both, net.critics.two(generator)).mean()
        norm = self.step("actor", loss)
        self.follow(self.target_actor, "actor")
        return loss.detach(), norm

    def step(self, part: str, loss: Tensor) -> Tensor:
        """One optimiser step of a part down the loss; the gradient's norm before clipping."""
        self.optimizers[part].zero_grad()
        loss.backward()
        norm = clip_grad_norm_(self.parts[part], self.config.clip)
        self.optimizers[part].step()
        return norm

    @torch.no_grad()
    def follow(self, target: nn.Module, part: str) -> None:
        """Move a target a little towards its part."""
        torch._foreach_lerp_(list(target.parameters()), self.parts[part], self.config.target_rate)  # type: ignore[arg-type]

    def codebook_used(self, code: Tensor) -> Tensor:
        """Of latents [B, D]: the share of the codebook that occurs in a slot, a mean over slots."""
        fsq = self.networks.latents.fsq
        assert fsq is not None
        index = fsq.index(code.unflatten(-1, (len(fsq.table), -1)))
        return torch.zeros(fsq.codes, index.shape[1], device=code.device).scatter_(0, index, 1.0).mean()

    def state_dict(self) -> State:
        return {
            "target_critics": self.target_critics.state_dict(),
            "target_actor": self.target_actor.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "critic_steps": self.critic_steps,
            "actor_metrics": self.actor_metrics.clone(),
        }

    def load_state_dict(self, state: State) -> None:
        self.target_critics.load_state_dict(state["target_critics"])
        self.target_actor.load_state_dict(state["target_actor"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.critic_steps = state["critic_steps"]
        self.actor_metrics.copy_(state["actor_metrics"])


@torch.no_grad()
def effective_rank(code: Tensor) -> Tensor:
    """How many directions the latents [B, D] spread in: (sum of variances)^2 / sum of their squares, along the
    principal axes. 1 where they lie on a line, 0 where they are all the same."""
    centred = code - code.mean(0)
    gram = centred @ centred.T
    return gram.trace().square() / gram.square().sum().clamp(min=1e-12)
