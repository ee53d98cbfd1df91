"""The world model learns a world of two states by heart, from pictures."""

import numpy as np
import torch
from gymnasium import spaces

from bench.agents.api import Step, Task
from bench.agents.simulus.agent import Simulus
from bench.tests.agents.simulus.subjects import SMALLEST, config

SIDE, EPISODE = 16, 11
IMAGE = spaces.Dict({"image": spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)})
TASK = Task("two colours", IMAGE, spaces.Discrete(2), 1, EPISODE, True)
COLOURS = np.array([(220, 30, 30), (30, 30, 220)], np.uint8)
SPEED = {
    "width": 32, "codes": 16, "model_batch": 16, "length": 8, "dropout": 0.0, "model_rate": 3e-3,
    "tokenizer_rate": 3e-3, "tokenizer_updates": 40, "model_updates": 280, "controller_after": 9, "epoch_steps": 400,
}  # fmt: skip


def world(steps: int) -> Simulus:
    """An agent that has seen the world: action 1 changes the colour, and every change to blue pays 1."""
    agent = Simulus(config(TASK, **{**SMALLEST, **SPEED}), TASK, 0, "cpu")
    rng, colour, at, episode = np.random.default_rng(0), 0, 0, 0
    for _ in range(steps):
        action = int(rng.integers(2))
        following = colour ^ action
        over = at + 1 == EPISODE
        agent.observe(
            Step(
                picture(colour), np.array([action]), np.array([float(following > colour)], np.float32),
                picture(following), np.array([at == 0]), np.array([over]), np.array([False]), np.array([episode]), None,
            )
        )  # fmt: skip
        colour, at, episode = (0, 0, episode + 1) if over else (following, at + 1, episode)
    return agent


def picture(colour: int) -> dict[str, np.ndarray]:
    return {"image": np.broadcast_to(COLOURS[colour], (1, SIDE, SIDE, 3))}


def test_a_deterministic_world_is_learnt_by_heart():
    agent = world(400)
    while agent.learn():
        pass
    assert agent.updates == 280
    batch = agent.segments(agent.rows(0, agent.config.length)[::7])
    with torch.no_grad():
        net = agent.networks.world
        codes = agent.networks.tokenizers.codes
        blocks = net.blocks(batch.tokens, batch.action, codes)
        y, _ = net.trunk(blocks, net.trunk.initial(len(blocks)))
        terms, _ = net.losses(type(batch)(*(part[: len(blocks) // 4 * 4] for part in batch)), codes, None)
        happened = batch.there[:, :-1] & batch.there[:, 1:]
        error = ((net.reward.mean(net.reward_logits(y[:, 1:])) - batch.reward[:, :-1]).abs() * happened).sum()
    assert terms["token"] < 0.05
    assert error / happened.sum() < 0.05
    assert len(set(batch.tokens[..., 0].flatten().tolist())) == 2  # the two colours are two tokens
