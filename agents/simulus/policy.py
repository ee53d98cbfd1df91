"""Acting: the controller on what the tokens show. It samples, in evaluation from sharper probabilities."""

from __future__ import annotations

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

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        action = self.step(agent.tensors(observation), agent.tensors({"first": first})["first"])
        return action.cpu().numpy(), None

    @torch.no_grad()
    def step(self, observation: dict[str, Tensor], first: Tensor) -> Tensor:
        """Take in observations {key: [E, ...]} and decide. Never waits for the device."""
        config, tokenizers = self.agent.config, self.agent.networks.tokenizers
        controller = self.agent.networks.controller
        state = self.state * ~first[:, None, None, None]
        state = controller.see(tokenizers.observed(observation), tokenizers.codes, state)
        decision = controller.decide(state)
        own = sampled(decision, self.generator, 1.0 if self.explores else config.temperature)
        executed = self._explored(own) if self.explores and config.epsilon else own
        seen = executed if config.executed_action else own
        self.state = controller.do(tokenizers.chosen(seen), state)
        return tokenizers.chosen(executed)

    def _explored(self, own: Tensor) -> Tensor:
        """Uniform actions in place of `own` [E, A], with probability epsilon."""
        device, choices = self.generator.device, self.agent.networks.tokenizers.choices
        chance = torch.rand(len(own), 1, generator=self.generator, device=device)
        others = torch.randint(choices, own.shape, generator=self.generator, device=device)
        return torch.where(chance < self.agent.config.epsilon, others, own)

    def state_dict(self) -> State:
        return {"state": self.state, "generator": self.generator.get_state()}

    def load_state_dict(self, state: State) -> None:
        self.state = state["state"].to(self.agent.device)
        self.generator.set_state(state["generator"].cpu())
