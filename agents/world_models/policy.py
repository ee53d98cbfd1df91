"""Acting: V sees, C decides on z and M's state, M takes in what was decided. Who C is depends on the episode."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor

from bench.agents.api import Mode, Observation, Policy, State
from bench.agents.world_models.controller import act, features, numbers, told
from bench.agents.world_models.explorer import Explorer
from bench.agents.world_models.mdn_rnn import Recurrent

if TYPE_CHECKING:
    from bench.agents.world_models.agent import WorldModels


class WorldModelsPolicy(Policy):
    """Exploring, it is the random policy while data are gathered, then the candidate whose episode it is, and the
    distribution's mean where an episode belongs to none; else always the mean.

    Episodes are numbered as the runner numbers them: in the order in which they open, by environment where several
    open together.
    """

    def __init__(self, agent: WorldModels, envs: int, seed: int, mode: Mode):
        self.agent, self.mode = agent, mode
        config = agent.config
        self.generator = Generator(agent.device).manual_seed(seed)
        self.chance = Generator().manual_seed(seed)  # the random policy's
        self.explorer = Explorer(config.exploration, config.actions, numbers(config, agent.task), envs)
        self.state = agent.m.initial(envs)
        self.decided = agent.capture(partial(decide, agent))
        self.episode = np.full(envs, -1)
        self.opened = 0

    @torch.inference_mode()
    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent, opens = self.agent, np.flatnonzero(first)
        self.episode[opens] = self.opened + np.arange(len(opens))
        self.opened += len(opens)
        if self.mode == "explore" and agent.gathering:
            action = self.explorer(torch.from_numpy(np.array(first)), self.chance)
            return action.numpy(), {"seat": np.full(len(first), -1)}
        seat = agent.seats(self.episode) if self.mode == "explore" else np.full(len(first), -1)
        flags, seen = agent.tensor(first), {key: agent.tensor(value) for key, value in observation.items()}
        return self._decide(seen, flags, agent.controllers(seat)).cpu().numpy(), {"seat": seat}

    def _decide(self, observation: dict[str, Tensor], first: Tensor, flat: Tensor) -> Tensor:
        """Actions [E, ...] of controllers [E, size]. Never waits for the device."""
        self.state, action = self.decided(self.state, observation, first, flat, self.generator)
        return action

    def state_dict(self) -> State:
        return {
            "generator": self.generator.get_state(),
            "chance": self.chance.get_state(),
            "explorer": self.explorer.state_dict(),
            "state": [self.state.h.clone(), self.state.c.clone()],
            "episode": self.episode.copy(),
            "opened": self.opened,
        }

    def load_state_dict(self, state: State) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.chance.set_state(state["chance"].cpu())
        self.explorer.load_state_dict(state["explorer"])
        self.state = Recurrent(*(part.to(self.agent.device) for part in state["state"]))
        self.episode, self.opened = state["episode"].copy(), state["opened"]


def decide(
    agent: WorldModels,
    state: Recurrent,
    observation: dict[str, Tensor],
    first: Tensor,
    flat: Tensor,
    generator: Generator,
) -> tuple[Recurrent, Tensor]:
    """The next states and actions [E, ...] of the last states, observations {key: [E, ...]} and controllers."""
    config = agent.config
    state = state.where((~first).float())
    code = agent.v.encode(observation)
    z = code.sample(generator) if config.act_on == "sample" else code.mu
    u = agent.controller(flat, features(config.sees, z, state.h, state.c)[:, None])[:, 0]
    action = act(config.actions, torch.tanh(u))
    return agent.m.step(agent.m.joined(z, told(config.actions, action, agent.choices), first), state), action
