"""Simulus's model, by the face that all world models share."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.agents.api import Dream, ModelSpec, WorldModel
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.update import Networks
from bench.agents.simulus.world import Memory


class SimulusWorldModel(WorldModel):
    """States are {retention [B, layers, h, e, e], tokens [B, K], position [B]}; the feature is the mean over slots of
    the prediction outputs. Without chance tokens are the likeliest."""

    def __init__(self, networks: Networks, config: SimulusConfig):
        self.networks = networks
        layout = networks.tokenizers.layout
        self.predicts = ModelSpec(
            reward=True,
            continuation=True,
            decodes=tuple(sorted([*layout.vectors, *(["image"] if layout.pixels else [])])),
            stochastic=True,
            feature_size=config.width,
            trained_horizon=config.length - config.context,
        )

    @torch.no_grad()
    def encode(self, observation: dict[str, Tensor], action: Tensor, first: Tensor) -> dict[str, Tensor]:
        tokenizers, world = self.networks.tokenizers, self.networks.world
        batch, length = first.shape
        tokens = tokenizers.observed({key: value.flatten(0, 1) for key, value in observation.items()})
        tokens = tokens.unflatten(0, (batch, length))
        blocks = world.blocks(tokens[:, :-1], tokenizers.acted(action), tokenizers.codes)
        state = world.trunk.initial(batch)
        for t in range(length - 1):
            state = world.trunk.consume(blocks[:, t], state, t * world.trunk.block)
            state = state * ~first[:, t + 1, None, None, None, None]
        position = torch.full((batch,), (length - 1) * world.trunk.block, device=state.device)
        return {"retention": state, "tokens": tokens[:, -1], "position": position}

    @torch.no_grad()
    def imagine(self, state: dict[str, Tensor], action: Tensor, generator: Generator, sample: bool = True) -> Dream:
        tokenizers, world = self.networks.tokenizers, self.networks.world
        memory = Memory(state["retention"], state["tokens"], state["position"])
        rewards, goes_on, features, seen = [], [], [], []
        for tokens in tokenizers.acted(action).unbind(1):
            dreamt = world.imagine(memory, tokens, tokenizers.codes, generator if sample else None)
            memory = dreamt.memory
            rewards.append(dreamt.reward)
            goes_on.append(1 - dreamt.end)
            features.append(dreamt.feature.mean(1))
            seen.append(memory.tokens)
        decoded = tokenizers.decoded(torch.stack(seen, 1).flatten(0, 1))
        return Dream(
            reward=torch.stack(rewards, 1),
            continuation=torch.stack(goes_on, 1),
            feature=torch.stack(features, 1),
            observation={key: value.unflatten(0, action.shape[:2]) for key, value in decoded.items()},
            state={"retention": memory.state, "tokens": memory.tokens, "position": memory.position},
        )
