"""Acting: filter the observations through the posterior, then sample the policy. Evaluation samples as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.agents.api import Observation, Policy, State
from bench.agents.dreamer.rssm import Latent

if TYPE_CHECKING:
    from bench.agents.dreamer.agent import Dreamer


class DreamerPolicy(Policy):
    def __init__(self, agent: Dreamer, envs: int, seed: int):
        self.agent = agent
        self.generator = torch.Generator(agent.device).manual_seed(seed)
        self.state = agent.networks.rssm.initial(envs)
        self.action = torch.zeros(envs, agent.networks.actor.size, device=agent.device)

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        self.step(agent.tensors(observation), torch.from_numpy(first).to(agent.device))
        action = self.action.argmax(-1) if agent.networks.actor.discrete else self.action.clamp(-1, 1)
        return action.cpu().numpy(), agent.stored(self.state)

    @torch.no_grad()
    def step(self, observation: dict[str, Tensor], first: Tensor) -> None:
        """Take in observations {key: [E, ...]} and decide. Never waits for the device."""
        networks = self.agent.networks
        envs = len(first)
        noise = torch.rand(envs, 1, self.state.stoch.shape[1], generator=self.generator, device=self.generator.device)
        with self.agent.precision():
            tokens = networks.encoder(observation)[:, None]
            states, _ = networks.rssm.infer(self.state, tokens, self.action[:, None], first[:, None], noise)
            self.state = Latent(states.deter[:, 0], states.stoch[:, 0])
            policy = networks.actor(self.state.feature)
        self.action = networks.actor.sample(policy, networks.actor.noise((envs,), self.generator))

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
