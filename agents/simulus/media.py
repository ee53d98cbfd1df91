"""What the tokenizer keeps of pictures and what the model dreams, as videos: reality above, the model below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.agents.common.videos import beside

if TYPE_CHECKING:
    from bench.agents.simulus.agent import Simulus

EPISODES = 6  # side by side
STEPS = 20  # pictures at most


def videos(agent: Simulus) -> dict[str, np.ndarray]:
    """ "reconstruction", every picture by its tokens; "imagined", only the context seen, then the actions alone.

    uint8 [T, 3 H, 6 W, 3] each; empty where the task has no pictures or no episode is long enough yet.
    """
    tokenizers, context = agent.networks.tokenizers, agent.config.context
    steps = min(STEPS, agent.config.length)
    if tokenizers.image is None or not agent.replay.windows(steps, within_episodes=True):
        return {}
    window = agent.replay.sample(np.random.default_rng(agent.seed), EPISODES, steps, within_episodes=True)
    seen = agent.tensors(window.observation)
    real = seen["image"]
    rebuilt = tokenizers.decoded(tokenizers.observed({key: value.flatten(0, 1) for key, value in seen.items()}))
    kept = rebuilt["image"].unflatten(0, (EPISODES, steps))
    action = agent.tensors({"action": window.action})["action"]
    first = torch.zeros(EPISODES, context, dtype=torch.bool, device=real.device)
    model = agent.world_model
    state = model.encode({key: value[:, :context] for key, value in seen.items()}, action[:, : context - 1], first)
    chance = torch.Generator(agent.device).manual_seed(agent.seed)
    dreamt = model.imagine(state, action[:, context - 1 : -1], chance).observation["image"]
    imagined = torch.cat([kept[:, :context], dreamt], dim=1)
    return {
        "reconstruction": beside(real, kept),
        "imagined": beside(real, imagined),
    }
