"""Acting: the controller on what the tokens show. It samples, in evaluation from sharper probabilities."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.agents.api import Mode, Observation, Policy, State
from bench.agents.simulus.controller import sampled

if TYPE_CHECKING:
    from bench.agents.simulus.agent import Simulus


class SimulusPolicy(Policy):
    def __init__(self, agent: Simulus, envs: int, seed: int, mode: Mode):
        self.agent, self.explores = agent, mode == "explore"
        self.generator = torch.Generator(agent.device).manual_seed(seed)
        self.state = agent.networks.controller.initial(envs)
        self.decided = agent.capture(partial(decide, agent))

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        action = self.step(agent.tensors(observation), agent.tensors({"first": first})["first"])
        return action.cpu().numpy(), None

    def step(self, observation: dict[str, Tensor], first: Tensor) -> Tensor:
        """Take in observations {key: [E, ...]} and decide. Never waits for the device."""
        self.state, action = self.decided(self.state, observation, first, self.explores, self.generator)
        return action

    def state_dict(self) -> State:
        return {"state": self.state, "generator": self.generator.get_state()}

    def load_state_dict(self, state: State) -> None:
        self.state = state["state"].to(self.agent.device)
        self.generator.set_state(state["generator"].cpu())


@torch.no_grad()
def decide(
    agent: Simulus,
    state: Tensor,
    observation: dict[str, Tensor],
    first: Tensor,
    explores: bool,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The next states and actions [E, ...] of the last states and observations {key: [E, ...]}."""
    config, tokenizers, controller = agent.config, agent.networks.tokenizers, agent.networks.controller
    state = state * ~first[:, None, None, None]
    state = controller.see(tokenizers.observed(observation), tokenizers.codes, state)
    decision = controller.decide(state)
    own = sampled(decision, generator, 1.0 if explores else config.temperature)
    executed = own
    if explores and config.epsilon:
        chance = torch.rand(len(own), 1, generator=generator, device=own.device)
        others = torch.randint(tokenizers.choices, own.shape, generator=generator, device=own.device)
        executed = torch.where(chance < config.epsilon, others, own)
    state = controller.do(tokenizers.chosen(executed if config.executed_action else own), state)
    return state, tokenizers.chosen(executed)
