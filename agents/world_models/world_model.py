"""V and M by the face that all world models share."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from bench.agents.api import Dream, ModelSpec, WorldModel
from bench.agents.world_models.controller import told
from bench.agents.world_models.mdn_rnn import Recurrent

if TYPE_CHECKING:
    from bench.agents.world_models.agent import WorldModels

State = dict[str, Tensor]


class DreamModel(WorldModel):
    """Features are [z, h]. What the published model of CarRacing lacks, reward and end, is None."""

    def __init__(self, agent: WorldModels):
        self.agent = agent
        config = agent.config
        self.predicts = ModelSpec(
            reward=config.reward != "none",
            continuation=config.end,
            decodes=tuple(agent.replay.keys),
            stochastic=True,
            feature_size=config.latent + config.hidden,
            trained_horizon=config.m_length,
        )
        self._warned = False

    @torch.no_grad()
    def encode(self, observation: dict[str, Tensor], action: Tensor, first: Tensor) -> State:
        """z is V's mean of the last observation; h has taken in all before it."""
        agent, (batch, count) = self.agent, first.shape
        flat = {key: value.flatten(0, 1) for key, value in observation.items()}
        z = agent.v.encode(flat).mu.unflatten(0, (batch, count))
        actions = told(agent.config.actions, action, agent.choices)
        state = agent.m.initial(batch)
        for k in range(count - 1):
            state = state.where((~first[:, k]).to(z.dtype))
            state = agent.m.step(agent.m.joined(z[:, k], actions[:, k], first[:, k]), state)
        state = state.where((~first[:, -1]).to(z.dtype))
        return {"z": z[:, -1], "h": state.h, "c": state.c, "first": first[:, -1]}

    @torch.no_grad()
    def imagine(self, state: State, action: Tensor, generator: Generator, sample: bool = True) -> Dream:
        """Goes on with z drawn at the agent's temperature, or with `sample` False with its expectation."""
        agent, config = self.agent, self.agent.config
        self._warn(action.shape[1])
        z, recurrent, first = state["z"], Recurrent(state["h"], state["c"]), state["first"]
        features, rewards, ends = [], [], []
        for told_now in told(config.actions, action, agent.choices).unbind(1):
            recurrent = agent.m.step(agent.m.joined(z, told_now, first), recurrent)
            ahead = agent.m.predict(recurrent.h)
            if sample:
                uniform, normal = (
                    draw(shape, generator=generator, device=generator.device)
                    for draw, shape in ((torch.rand, ahead.z.mean.shape), (torch.randn, z.shape))
                )
                z = ahead.z.sample(config.temperature, uniform.clamp_(1e-10, 1 - 1e-7), normal)
            else:
                z = ahead.z.expected
            first = torch.zeros_like(first)
            features.append(torch.cat([z, recurrent.h], dim=-1))
            if self.predicts.reward:
                over = first if ahead.end is None else ahead.end > 0
                rewards.append(agent.dreamer.rewards(ahead.reward, over))
            if ahead.end is not None:
                ends.append(torch.sigmoid(-ahead.end))
        feature = torch.stack(features, 1)
        seen = agent.v.observed(agent.v.decode(feature[..., : config.latent].flatten(0, 1)))
        return Dream(
            torch.stack(rewards, 1) if rewards else None,
            torch.stack(ends, 1) if ends else None,
            feature,
            {key: value.unflatten(0, feature.shape[:2]) for key, value in seen.items()},
            {"z": z, "h": recurrent.h, "c": recurrent.c, "first": first},
        )

    def _warn(self, horizon: int) -> None:
        if horizon > self.predicts.trained_horizon and not self._warned:
            self._warned = True
            trained = self.predicts.trained_horizon
            warnings.warn(
                f"world_models dreams {horizon} decisions ahead; M was trained on {trained} at a time", stacklevel=3
            )
