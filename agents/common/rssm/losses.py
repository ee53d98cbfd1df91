"""The likelihood terms of the world-model loss that PlaNet and the earlier Dreamers share; each weighs them, and treats
the KL, in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor
from torch.nn import functional

from bench.agents.common.rssm.batch import Batch
from bench.agents.common.rssm.model import Latent
from bench.agents.common.rssm.normal import unit_normal_loss

if TYPE_CHECKING:
    from bench.agents.common.rssm.agent import RecurrentAgent


class Inferred(NamedTuple):
    """What a batch says of its states."""

    states: Latent  # [B, T, ...]
    posterior: Tensor  # raw [B, T, outputs]
    prior: Tensor  # raw [B, T, outputs]
    terms: dict[str, Tensor]  # unweighted losses in nats, means over B and T, 0-d


def infer(agent: RecurrentAgent, batch: Batch) -> Inferred:
    """States of the batch from an empty one on, and the losses of what is predicted from them."""
    networks, generator = agent.networks, agent.generator
    rssm, shape = networks.rssm, tuple(batch.reward.shape)
    seen = agent.seen(batch.observation, generator)
    tokens = networks.encoder(seen)
    noise = rssm.latents.noise(shape, generator)
    states, posterior = rssm.infer(rssm.initial(shape[0]), tokens, batch.action, batch.first, noise)
    feature = states.feature
    terms = networks.representation.losses(feature, tokens, seen)
    terms["reward"] = unit_normal_loss(networks.reward(feature), batch.reward).mean()
    if networks.going_on is not None:
        target = agent.config.discount * (~batch.terminal).float()
        terms["continue"] = functional.binary_cross_entropy_with_logits(networks.going_on(feature), target)
    return Inferred(states, posterior, rssm.prior(states.deter), terms)
