"""Acting with a recurrent model: filter the observations through the posterior, then let the agent decide."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.agents.api import Mode, Observation, Policy, State
from bench.agents.common.rssm.model import Latent

if TYPE_CHECKING:
    from bench.agents.common.rssm.agent import RecurrentAgent


class FilteringPolicy(Policy):
    """Latents are sampled in every mode. The action that the model hears of is the one taken, noise included."""

    def __init__(self, agent: RecurrentAgent, envs: int, seed: int, mode: Mode):
        self.agent, self.mode = agent, mode
        self.generator = torch.Generator(agent.device).manual_seed(seed)
        self.state = agent.networks.rssm.initial(envs)
        self.action = torch.zeros(envs, agent.size, device=agent.device)
        self.decided = agent.capture(partial(decide, agent))

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        self.step(agent.tensors(observation), agent.tensors({"first": first})["first"])
        action = self.action.argmax(-1) if agent.discrete else self.action
        return action.cpu().numpy(), None

    def step(self, observation: dict[str, Tensor], first: Tensor) -> None:
        """Take in observations {key: [E, ...]} and decide. Never waits for the device."""
        mode = None if self.mode == "explore" and self.agent.prefilling else self.mode
        self.state, self.action = self.decided(self.state, self.action, observation, first, mode, self.generator)

    def state_dict(self) -> State:
        return {
            "deter": self.state.deter,
            "stoch": self.state.stoch,
            "action": self.action,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: State) -> None:
        device = self.agent.device
        self.state = Latent(state["deter"].to(device), state["stoch"].to(device))
        self.action = state["action"].to(device)
        self.generator.set_state(state["generator"].cpu())


@torch.no_grad()
def decide(
    agent: RecurrentAgent,
    state: Latent,
    action: Tensor,
    observation: dict[str, Tensor],
    first: Tensor,
    mode: Mode | None,
    generator: torch.Generator,
) -> tuple[Latent, Tensor]:
    """The next states and actions [E, ...] of the last ones and observations {key: [E, ...]}; mode None: at random."""
    networks, envs = agent.networks, len(first)
    noise = networks.rssm.latents.noise((envs, 1), generator)
    tokens = networks.encoder(agent.seen(observation, generator))[:, None]
    states, _ = networks.rssm.infer(state, tokens, action[:, None], first[:, None], noise)
    state = Latent(*(part[:, 0] for part in states))
    return state, agent.random(envs, generator) if mode is None else agent.decide(state, mode, generator)
