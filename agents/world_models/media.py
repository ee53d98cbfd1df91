"""Videos: what V keeps of pictures, what M dreams beside what happened, and how fitness grew by generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from bench.agents.world_models.agent import WorldModels

EPISODES = 6  # side by side
STEPS = 30  # pictures of each, at most
CONTEXT = 5  # of them, that a dream has seen
FRAMES = 60  # of the curve's video, at most
SIZE = 128  # pixels, the curve's height; twice as wide


def videos(agent: WorldModels) -> dict[str, np.ndarray]:
    """ "reconstruction": pictures above what V makes of them; "dream": reality above a dream of the same actions after
    five pictures. uint8 [T, 2 H, 6 W, 3], where there are pictures and trained models. "fitness": `curve`."""
    films = {"fitness": curve(agent.evolution.history)} if agent.evolution.history else {}
    if "image" not in agent.task.observation.spaces or agent.stage in ("data", "V", "codes"):
        return films
    steps = min(STEPS, agent.config.m_length)
    chosen = [rows[:steps] for rows in agent.episodes if len(rows) >= steps][:EPISODES]
    if not chosen or steps <= CONTEXT:
        return films
    rows = np.stack(chosen)
    seen = {key: agent.tensor(value) for key, value in agent.replay.observation(rows).items()}
    action, first = (agent.tensor(agent.replay[name][rows]) for name in ("action", "first"))
    with torch.no_grad():
        flat = {key: value.flatten(0, 1) for key, value in seen.items()}
        again = agent.v.observed(agent.v.decode(agent.v.encode(flat).mu))["image"].unflatten(0, rows.shape)
    past = {key: value[:, :CONTEXT] for key, value in seen.items()}
    state = agent.world_model.encode(past, action[:, : CONTEXT - 1], first[:, :CONTEXT])
    generator = torch.Generator(agent.device).manual_seed(agent.seed)
    dreamt = agent.world_model.imagine(state, action[:, CONTEXT - 1 : steps - 1], generator).observation["image"]
    real = seen["image"]
    films["reconstruction"] = _stacked(real, again)
    films["dream"] = _stacked(real, torch.cat([real[:, :CONTEXT], dreamt], dim=1))
    return films


def _stacked(above: torch.Tensor, below: torch.Tensor) -> np.ndarray:
    """[T, 2 H, B W, 3] of two batches of pictures [B, T, H, W, 3]."""
    both = torch.cat([above, below], dim=2)
    return both.permute(1, 2, 0, 3, 4).flatten(2, 3).cpu().numpy()


def curve(history: list[np.ndarray]) -> np.ndarray:
    """uint8 [T, 128, 256, 3]: the best (white) and the mean (green) of each generation's fitness [P], from its least
    to its largest mean or best; every frame knows some generations more."""
    lines = np.stack([[fitness.max(), fitness.mean()] for fitness in history])
    low, high = lines.min(), lines.max()
    rows = ((SIZE - 1) * (1 - (lines - low) / max(high - low, 1e-9))).astype(int)
    x = np.linspace(0, len(history) - 1, 2 * SIZE).round().astype(int)
    film = np.zeros((min(len(history), FRAMES), SIZE, 2 * SIZE, 3), np.uint8)
    for number, frame in enumerate(film):
        known = np.flatnonzero(x < (number + 1) * len(history) / len(film))
        for line, colour in ((1, (0, 200, 0)), (0, (255, 255, 255))):
            frame[rows[x[known], line], known] = colour
    return film
