"""What the model sees and dreams, as videos: reality above, the model's picture below it, then their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.agents.common.videos import beside
from bench.agents.dreamer.rssm import Latent

if TYPE_CHECKING:
    from bench.agents.dreamer.agent import Dreamer

EPISODES = 6  # side by side
CONTEXT = 5  # pictures seen before the open-loop dream begins


@torch.no_grad()
def open_loop(agent: Dreamer) -> dict[str, np.ndarray]:
    """Videos "reconstruction", every picture seen, and "open_loop", only the first five seen, then the actions alone.

    uint8 [T, 3 H, 6 W, 3] each; empty where nothing draws pictures or no episode is long enough yet.
    """
    task, length = agent.task, agent.config.length
    steps = min(length, task.episode_steps + 1) if task.episode_steps else length
    decoder = agent.networks.representation.decoder
    if decoder is None or "image" not in task.observation.spaces or steps <= CONTEXT:
        return {}
    if not agent.replay.windows(steps, within_episodes=True):
        return {}
    rng = np.random.default_rng(agent.seed)
    window = agent.replay.sample(rng, EPISODES, steps, within_episodes=True)
    seen, networks = agent.tensors(window.observation), agent.networks
    action = agent.encoded(agent.tensors({"action": window.action})["action"])
    previous = torch.cat([torch.zeros_like(action[:, :1]), action[:, :-1]], dim=1)
    first = torch.zeros(previous.shape[:2], dtype=torch.bool, device=previous.device)
    first[:, 0] = True
    tokens = networks.encoder(seen)
    states, _ = networks.rssm.infer(networks.rssm.initial(EPISODES), tokens, previous, first, noise=None)
    weights, dreamt = networks.rssm.weights(), []
    latent = Latent(states.deter[:, CONTEXT - 1], states.stoch[:, CONTEXT - 1])
    for t in range(CONTEXT, steps):
        latent = networks.rssm.dream(latent, previous[:, t], None, weights)
        dreamt.append(latent)
    later = Latent(*(torch.stack(parts, 1) for parts in zip(*dreamt, strict=True)))
    dream = Latent(*(torch.cat([a[:, :CONTEXT], b], 1) for a, b in zip(states, later, strict=True)))
    return {
        name: beside(seen["image"], decoder(latents)["image"] * 255)
        for name, latents in (("reconstruction", states), ("open_loop", dream))
    }
