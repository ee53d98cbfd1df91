"""DreamerV3's world model behind the face by which world models are compared."""

from __future__ import annotations

import torch
from gymnasium import spaces
from torch import Tensor

from bench.agents.api import Dream, ModelSpec, Task, WorldModel
from bench.agents.common.categorical import one_hot
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.rssm import Latent
from bench.agents.dreamer.update import Networks


class DreamerWorldModel(WorldModel):
    """States are {deter [B, D], stoch [B, Z, C]}; the feature is [h, z]. Without chance latents take their mode."""

    def __init__(self, networks: Networks, config: DreamerConfig, task: Task):
        self.networks, self.discrete = networks, isinstance(task.action, spaces.Discrete)
        self.discount = 1 - 1 / config.horizon
        self.predicts = ModelSpec(
            reward=True,
            continuation=True,
            decodes=tuple(sorted(task.observation.spaces)) if networks.representation.decoder else (),
            stochastic=True,
            feature_size=config.deter + config.latents * config.classes,
            trained_horizon=config.imagination,
        )

    @torch.no_grad()
    def encode(self, observation: dict[str, Tensor], action: Tensor, first: Tensor) -> dict[str, Tensor]:
        tokens = self.networks.encoder(observation)
        before = self._action(action)
        before = torch.cat([torch.zeros_like(tokens[:, :1, :1]).expand(-1, -1, before.shape[-1]), before], dim=1)
        states, _ = self.networks.rssm.infer(self.networks.rssm.initial(len(first)), tokens, before, first, noise=None)
        return {"deter": states.deter[:, -1], "stoch": states.stoch[:, -1]}

    @torch.no_grad()
    def imagine(
        self, state: dict[str, Tensor], action: Tensor, generator: torch.Generator, sample: bool = True
    ) -> Dream:
        decoder = self.networks.representation.decoder
        rssm, latent = self.networks.rssm, Latent(state["deter"], state["stoch"])
        actions = self._action(action)
        noise = (
            torch.rand(*action.shape[:2], rssm.shape[0], generator=generator, device=generator.device)
            if sample
            else None
        )
        states, weights = [], rssm.weights()
        for k in range(actions.shape[1]):
            latent = rssm.dream(latent, actions[:, k], None if noise is None else noise[:, k], weights)
            states.append(latent)
        dreamt = Latent(*(torch.stack(parts, 1) for parts in zip(*states, strict=True)))
        feature = dreamt.feature
        return Dream(
            reward=self.networks.reward.mean(feature),
            continuation=(torch.sigmoid(self.networks.going_on(feature)) / self.discount).clamp(max=1),
            feature=feature,
            observation=decoder.as_observed(decoder(dreamt)) if decoder else {},
            state={"deter": latent.deter, "stoch": latent.stoch},
        )

    def _action(self, action: Tensor) -> Tensor:
        return one_hot(action, self.networks.actor.size) if self.discrete else action.float()
