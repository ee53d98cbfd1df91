"""Acting: filter the observations through the posterior, then sample the policy. Evaluation samples as well."""

from __future__ import annotations

from functools import partial
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
        self.decided = agent.capture(partial(decide, agent))

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        self.step(agent.tensors(observation), agent.tensors({"first": first})["first"])
        action = self.action.argmax(-1) if agent.networks.actor.discrete else self.action.clamp(-1, 1)
        return action.cpu().numpy(), {name: part.cpu().numpy() for name, part in agent.stored(self.state).items()}

    def step(self, observation: dict[str, Tensor], first: Tensor) -> None:
        """Take in observations {key: [E, ...]} and decide. Never waits for the device."""
        self.state, self.action = self.decided(self.state, self.action, observation, first, self.generator)

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
    agent: Dreamer,
    state: Latent,
    action: Tensor,
    observation: dict[str, Tensor],
    first: Tensor,
    generator: torch.Generator,
) -> tuple[Latent, Tensor]:
    """The next states and actions [E, ...] of the last ones and observations {key: [E, ...]}."""
    networks, envs = agent.networks, len(first)
    noise = torch.rand(envs, 1, state.stoch.shape[1], generator=generator, device=generator.device)
    with agent.autocast():
        tokens = networks.encoder(observation)[:, None]
        states, _ = networks.rssm.infer(state, tokens, action[:, None], first[:, None], noise)
        state = Latent(states.deter[:, 0], states.stoch[:, 0])
        policy = networks.actor(state.feature)
    return state, networks.actor.sample(policy, networks.actor.noise((envs,), generator))
