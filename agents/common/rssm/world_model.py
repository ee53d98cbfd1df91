"""The recurrent models of PlaNet, DreamerV1 and V2 behind the face by which world models are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from bench.agents.api import Dream, ModelSpec, WorldModel
from bench.agents.common.rssm.model import Latent, stacked

if TYPE_CHECKING:
    from bench.agents.common.rssm.agent import RecurrentAgent


class RecurrentWorldModel(WorldModel):
    """States are {deter [B, D], stoch [B, Z]}; the feature is [h, z]. Without chance latents take their mode."""

    def __init__(self, agent: RecurrentAgent):
        self.agent, networks = agent, agent.networks
        self.predicts = ModelSpec(
            reward=True,
            continuation=networks.going_on is not None,
            decodes=tuple(sorted(agent.task.observation.spaces)) if networks.representation.decoder else (),
            stochastic=True,
            feature_size=networks.rssm.deter + networks.rssm.latents.size,
            trained_horizon=agent.config.imagination,
        )

    @torch.no_grad()
    def encode(self, observation: dict[str, Tensor], action: Tensor, first: Tensor) -> dict[str, Tensor]:
        rssm = self.agent.networks.rssm
        tokens = self.agent.networks.encoder(self.agent.seen(observation, None))
        taken = self.agent.encoded(action, first[:, 1:])
        before = torch.cat([taken.new_zeros(len(first), 1, self.agent.size), taken], dim=1)
        states, _ = rssm.infer(rssm.initial(len(first)), tokens, before, first, noise=None)
        return {"deter": states.deter[:, -1], "stoch": states.stoch[:, -1]}

    @torch.no_grad()
    def imagine(self, state: dict[str, Tensor], action: Tensor, generator: Generator, sample: bool = True) -> Dream:
        networks, latent = self.agent.networks, Latent(state["deter"], state["stoch"])
        shape = action.shape[:2]
        noise = networks.rssm.latents.noise(tuple(shape), generator) if sample else None
        never = torch.zeros(shape, dtype=torch.bool, device=action.device)
        chances = [None] * shape[1] if noise is None else noise.unbind(1)
        states = []
        for act, chance in zip(self.agent.encoded(action, never).unbind(1), chances, strict=True):
            latent = networks.rssm.dream(latent, act, chance)
            states.append(latent)
        feature = stacked(states, 1).feature
        going_on, decoder, discount = networks.going_on, networks.representation.decoder, self.agent.config.discount
        return Dream(
            reward=networks.reward(feature),
            continuation=None if going_on is None else (torch.sigmoid(going_on(feature)) / discount).clamp(max=1),
            feature=feature,
            observation=None if decoder is None else decoder.as_observed(decoder(feature)),
            state={"deter": latent.deter, "stoch": latent.stoch},
        )
