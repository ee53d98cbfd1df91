"""What a recurrent model sees and dreams, as videos: reality above, the model's picture below it, their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.agents.common.rssm.model import Latent, stacked
from bench.agents.common.videos import beside

if TYPE_CHECKING:
    from bench.agents.common.rssm.agent import RecurrentAgent

EPISODES = 6  # side by side
CONTEXT = 5  # pictures seen before the open-loop dream begins


@torch.no_grad()
def open_loop(agent: RecurrentAgent) -> dict[str, np.ndarray]:
    """Videos "reconstruction", every picture seen, and "open_loop", only the first five seen, then the actions alone.

    uint8 [T, 3 H, 6 W, 3] each; empty where nothing draws pictures or no episode is long enough yet.
    """
    networks, steps = agent.networks, agent.config.length
    decoder = networks.representation.decoder
    if decoder is None or "image" not in agent.task.observation.spaces or steps <= CONTEXT:
        return {}
    if not agent.replay.windows(steps, within_episodes=True):
        return {}
    window = agent.replay.sample(np.random.default_rng(agent.seed), EPISODES, steps, within_episodes=True)
    observation = agent.tensors(window.observation)
    first = torch.zeros(EPISODES, steps, dtype=torch.bool, device=agent.device)
    first[:, 0] = True  # whatever came before the window is forgotten
    taken = agent.tensors({"action": window.action})["action"]
    before = agent.encoded(taken.roll(1, dims=1), first)
    tokens = networks.encoder(agent.seen(observation, None))
    states, _ = networks.rssm.infer(networks.rssm.initial(EPISODES), tokens, before, first, noise=None)
    latent, dreamt = Latent(*(part[:, CONTEXT - 1] for part in states)), []
    for t in range(CONTEXT, steps):
        latent = networks.rssm.dream(latent, before[:, t], None)
        dreamt.append(latent)
    later = stacked(dreamt, 1).feature
    dream = torch.cat([states.feature[:, :CONTEXT], later], dim=1)
    return {
        name: beside(observation["image"], decoder.as_observed(decoder(feature))["image"])
        for name, feature in (("reconstruction", states.feature), ("open_loop", dream))
    }
