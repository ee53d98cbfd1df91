"""Q(o, a) = mean over action dimensions d of w[d, a_d] . phi(o), phi being fixed random Fourier features of o."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import flatdim

from bench.agents.api import Agent, Diverged, Mode, Observation, Policy, State, Step, Task
from bench.agents.common.bins import Bins
from bench.agents.common.exploration import epsilon, greedy_or_random
from bench.agents.common.nstep import n_step
from bench.agents.common.replay import SequenceReplay
from bench.agents.linear_q.config import LinearQConfig


class LinearQ(Agent):
    config: LinearQConfig
    replay: SequenceReplay

    def __init__(self, config: LinearQConfig, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.replay = SequenceReplay(task, config.replay, config.collection.envs)
        self.bins = Bins(task.action, config.bins)
        self.keys = sorted(task.observation.spaces)
        size = sum(flatdim(task.observation[key]) for key in self.keys)
        self.rng = np.random.default_rng([seed, 1])
        fixed = np.random.default_rng([seed, 2])  # the features follow from the seed and need no saving
        self.directions = fixed.normal(0, 1 / config.bandwidth, (size, config.features)).astype(np.float32)
        self.phases = fixed.uniform(0, 2 * np.pi, config.features).astype(np.float32)
        self.weights = np.zeros((self.bins.dimensions, self.bins.choices, config.features), np.float32)
        self.agent_steps = 0
        self.updates = 0
        self.error = [0.0, 0]  # sum of squared errors and updates since the last `metrics`

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return LinearQPolicy(self, seed, mode)

    def observe(self, step: Step) -> None:
        self.replay.add(step)
        self.agent_steps += len(step.reward)

    def learn(self) -> bool:
        config = self.config
        if self.updates >= self.agent_steps - config.warmup or not self.replay.windows(config.n_step + 1):
            return False
        window = self.replay.sample(self.rng, config.batch, config.n_step + 1)
        target = n_step(window, config.discount)
        rows = np.arange(config.batch)
        now = self.features({key: window.observation[key][:, 0] for key in self.keys})
        later = self.features({key: window.observation[key][rows, target.row] for key in self.keys})
        taken = self.bins.choice(window.action[:, 0])[..., None] == np.arange(
            self.bins.choices
        )  # [B, dimensions, choices]
        value = self.values(later).max(axis=2).mean(axis=1)
        error = target.reward + target.discount * value - (self.values(now) * taken).sum(axis=2).mean(axis=1)
        error *= target.valid
        step = config.learning_rate / config.batch * error[:, None, None] * taken
        self.weights += (step.reshape(len(rows), -1).T @ now).reshape(self.weights.shape)
        squared = float(error @ error) / config.batch
        if not np.isfinite(squared):
            raise Diverged(f"linear_q: the error of update {self.updates} is {squared}")
        self.error[0] += squared
        self.error[1] += 1
        self.updates += 1
        return True

    def features(self, observation: Observation) -> np.ndarray:
        """[B, features], each row of mean square norm 1."""
        vector = np.concatenate([observation[key] for key in self.keys], axis=1)
        return np.cos(vector @ self.directions + self.phases) * np.float32(np.sqrt(2 / len(self.phases)))

    def values(self, features: np.ndarray) -> np.ndarray:
        """[B, dimensions, choices]."""
        flat = features @ self.weights.reshape(-1, features.shape[1]).T
        return flat.reshape(len(features), *self.weights.shape[:2])

    def metrics(self) -> dict[str, float]:
        total, count = self.error
        self.error = [0.0, 0]
        return {"error": total / count} if count else {}

    def state_dict(self) -> State:
        return {
            "weights": self.weights.copy(),
            "rng": self.rng.bit_generator.state,
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "error": list(self.error),
        }

    def load_state_dict(self, state: State) -> None:
        self.weights = np.array(state["weights"])
        self.rng.bit_generator.state = state["rng"]
        self.agent_steps, self.updates = state["agent_steps"], state["updates"]
        self.error = list(state["error"])


class LinearQPolicy(Policy):
    def __init__(self, agent: LinearQ, seed: int, mode: Mode):
        self.agent, self.explores = agent, mode == "explore"
        self.rng = np.random.default_rng(seed)

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent, config = self.agent, self.agent.config
        choice = agent.values(agent.features(observation)).argmax(axis=2)
        if self.explores:
            chance = epsilon(agent.agent_steps, config.epsilon_start, config.epsilon_end, config.epsilon_steps)
            choice = greedy_or_random(choice, agent.bins.choices, chance, self.rng)
        return agent.bins.actions(choice), None

    def state_dict(self) -> State:
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: State) -> None:
        self.rng.bit_generator.state = state["rng"]
