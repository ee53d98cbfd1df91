"""Acting with a recurrent model: filter the observations through the posterior, then let the agent decide."""

from __future__ import annotations

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

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        self.step(agent.tensors(observation), torch.from_numpy(first).to(agent.device))
        action = self.action.argmax(-1) if agent.discrete else self.action
        return action.cpu().numpy(), None

    @torch.no_grad()
    def step(self, observation: dict[str, Tensor], first: Tensor) -> None:
        """Take in observations {key: [E, ...]} and decide. Never waits for the device."""
        agent, networks, envs = self.agent, self.agent.networks, len(first)
        noise = networks.rssm.latents.noise((envs, 1), self.generator)
        tokens = networks.encoder(agent.seen(observation, self.generator))[:, None]
        states, _ = networks.rssm.infer(self.state, tokens, self.action[:, None], first[:, None], noise)
        self.state = Latent(*(part[:, 0] for part in states))
        if self.mode == "explore" and agent.prefilling:
            self.action = agent.random(envs, self.generator)
        else:
            self.action = agent.decide(self.state, self.mode, self.generator)

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
