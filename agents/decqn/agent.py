"""DecQN. Q(o, a) = mean over dimensions d of Q_d(o, a_d), so the greedy action is one argmax per dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.agents.api import Agent, Diverged, Mode, Observation, Policy, State, Step, Task
from bench.agents.common.bins import Bins
from bench.agents.common.capture import Capture
from bench.agents.common.device_replay import sequence_replay
from bench.agents.common.exploration import epsilon, greedy_or_random
from bench.agents.common.nstep import n_step
from bench.agents.common.replay import SequenceReplay
from bench.agents.common.transfer import tensors
from bench.agents.decqn.config import DecQNConfig
from bench.agents.decqn.networks import ValueNetwork


class DecQN(Agent):
    config: DecQNConfig
    replay: SequenceReplay

    def __init__(self, config: DecQNConfig, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.replay = sequence_replay(task, config.replay, config.collection.envs, device)
        self.bins = Bins(task.action, config.bins)
        self.rng = np.random.default_rng(seed)  # draws the batches
        with torch.random.fork_rng(
            devices=[]
        ):  # the weights follow from the seed alone, and no one else's generator moves
            torch.manual_seed(seed)
            self.online = ValueNetwork(config, task, self.bins).to(device)
        self.target = ValueNetwork(config, task, self.bins).to(device).requires_grad_(False)
        self.target.load_state_dict(self.online.state_dict())
        self.parameters = list(self.online.parameters())
        self.averages = list(self.target.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, config.learning_rate, fused=True, capturable=True)
        self.capture = Capture(device)
        self.descended = self.capture(self.descend)
        self.agent_steps = 0
        self.updates = 0
        self.sums = torch.zeros(3, device=device)  # loss, value, gradient norm since the last `metrics`
        self.summed = 0

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return DecQNPolicy(self, seed, mode)

    def observe(self, step: Step) -> None:
        self.replay.add(step)
        self.agent_steps += len(step.reward)

    def learn(self) -> bool:
        config = self.config
        owed = max(self.agent_steps - config.warmup, 0) // config.steps_per_update
        if self.updates >= owed or not self.replay.windows(config.n_step + 1):
            return False
        self.update(self.batch())
        self.updates += 1
        return True

    def batch(self) -> dict[str, Any]:
        """What one update needs, on the device."""
        window = self.replay.sample(self.rng, self.config.batch, self.config.n_step + 1)
        target = n_step(window, self.config.discount)
        seen = self.tensors(window.observation)
        row = self.tensors({"window": np.arange(self.config.batch), "later": target.row})
        return {
            "now": {key: value[:, 0].contiguous() for key, value in seen.items()},
            "later": {key: value[row["window"], row["later"]] for key, value in seen.items()},
            **self.tensors({"choice": self.bins.choice(window.action[:, 0])[..., None]}),
            **self.tensors({"reward": target.reward, "discount": target.discount, "valid": target.valid}),
        }

    def tensors(self, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
        return tensors(arrays, self.device)

    def update(self, batch: dict[str, Any]) -> None:
        """One optimiser step on n-step double Q-learning's Huber loss. Never waits for the device."""
        self.sums += self.descended(batch)
        self.summed += 1

    def descend(self, batch: dict[str, Any]) -> Tensor:
        """The same on the device alone; loss, value and gradient norm as a tensor."""
        with torch.no_grad():
            rated = self.target(batch["later"])
            chosen = (self.online(batch["later"]) if self.config.double else rated).argmax(dim=2, keepdim=True)
            target = batch["reward"] + batch["discount"] * rated.gather(2, chosen).mean(dim=(1, 2))
        value = self.online(batch["now"]).gather(2, batch["choice"]).mean(dim=(1, 2))
        losses = functional.smooth_l1_loss(value, target, reduction="none") * batch["valid"]
        loss = losses.sum() / batch["valid"].sum().clamp(min=1)
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.parameters, self.config.target_rate)  # type: ignore[arg-type]
        return torch.stack([loss.detach(), value.detach().mean(), norm])

    @torch.no_grad()
    def greedy(self, observation: dict[str, Tensor], averaged: bool) -> Tensor:
        """The best choice per dimension, int64 [E, dimensions], to the online network or to its average."""
        return (self.target if averaged else self.online)(observation).argmax(dim=2)

    def metrics(self) -> dict[str, float]:
        if not self.summed:
            return {}
        means = (self.sums / self.summed).tolist()
        self.sums.zero_()
        self.summed = 0
        if not np.isfinite(means).all():
            raise Diverged(f"decqn: loss, value and gradient norm before update {self.updates} are {means}")
        return dict(zip(("loss", "value", "gradient_norm"), means, strict=True))

    def state_dict(self) -> State:
        return {
            "online": self.online.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.bit_generator.state,
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "sums": self.sums.clone(),
            "summed": self.summed,
        }

    def load_state_dict(self, state: State) -> None:
        self.online.load_state_dict(state["online"])
        self.target.load_state_dict(state["target"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = state["rng"]
        self.agent_steps, self.updates = state["agent_steps"], state["updates"]
        self.sums.copy_(state["sums"])
        self.summed = state["summed"]
        self.capture.drop()


class DecQNPolicy(Policy):
    """Greedy, and epsilon-greedy while exploring. Memoryless: `first` changes nothing."""

    def __init__(self, agent: DecQN, seed: int, mode: Mode):
        self.agent, self.explores = agent, mode == "explore"
        self.greedy = agent.capture(agent.greedy)
        self.rng = np.random.default_rng(seed)

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent, config = self.agent, self.agent.config
        choice = self.greedy(agent.tensors(observation), not self.explores).cpu().numpy()
        if self.explores:
            chance = epsilon(agent.agent_steps, config.epsilon_start, config.epsilon_end, config.epsilon_steps)
            choice = greedy_or_random(choice, agent.bins.choices, chance, self.rng)
        return agent.bins.actions(choice), None

    def state_dict(self) -> State:
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: State) -> None:
        self.rng.bit_generator.state = state["rng"]
