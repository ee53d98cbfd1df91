"""DC-MPC: storing, acting, and what is owed. Its losses are in update.py, its networks in networks.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import flatdim
from torch import Generator, Tensor

from bench.agents.api import Agent, Diverged, Mode, Observation, Policy, State, Step, Task
from bench.agents.common.capture import Capture
from bench.agents.common.device_replay import sequence_replay
from bench.agents.common.nstep import n_step
from bench.agents.common.planner import Plan, Search, search, shifted
from bench.agents.common.replay import SequenceReplay
from bench.agents.common.transfer import tensors
from bench.agents.dcmpc.config import DCMPCConfig
from bench.agents.dcmpc.networks import Networks
from bench.agents.dcmpc.update import Slices, Transitions, Updater
from bench.agents.dcmpc.world_model import CodeModel


class DCMPC(Agent):
    config: DCMPCConfig
    replay: SequenceReplay

    def __init__(self, config: DCMPCConfig, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.replay = sequence_replay(task, config.replay, config.collection.envs, device)
        self.rng = np.random.default_rng(seed)  # draws the batches
        self.generator = Generator(device).manual_seed(seed)  # all other chance in updates
        with torch.random.fork_rng(devices=[]):  # the weights follow from the seed alone
            torch.manual_seed(seed)
            self.networks = Networks(config, task).to(device)
        self.capture = Capture(device)
        self.updater = Updater(config, self.networks, self.capture)
        self.world_model = CodeModel(self)
        self.size = flatdim(task.action)  # A
        self.search = Search(
            config.iterations, config.samples, config.elites, config.temperature, config.std_min, config.std_max
        )
        undiscounted = config.n_step == 1 and not config.one_step_discounted
        self.discount = 1.0 if undiscounted else config.discount
        self.length = np.zeros(config.collection.envs, np.int64)  # decisions of the open episodes
        self.episodes = 0  # finished
        self.decisions = 0  # of finished episodes
        self.updates = 0
        self.sums = torch.zeros(len(self.updater.metrics), device=device)  # since the last `metrics`
        self.summed = 0

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return DCMPCPolicy(self, envs, seed, mode)

    def observe(self, step: Step) -> None:
        self.replay.add(step)
        self.length = np.where(step.first, 0, self.length) + 1
        ended = step.terminated | step.truncated
        self.episodes += int(ended.sum())
        self.decisions += int(self.length[ended].sum())

    @property
    def noise(self) -> float:
        """The deviation of exploring actions: falls linearly with the bursts of updates, of which the random episodes
        owe one and every later one its own."""
        config = self.config
        bursts = max(self.episodes - config.random_episodes + 1, 0)
        done = min(bursts / config.noise_episodes, 1.0)
        return config.noise_start + done * (config.noise_end - config.noise_start)

    def learn(self) -> bool:
        """One update. Every finished episode owes one for each of its decisions; the random ones owe theirs at once
        when the last of them is over."""
        config = self.config
        decisions = self.decisions if self.episodes >= config.random_episodes else 0
        owes = self.updates < decisions // config.steps_per_update
        if not owes or not self.replay.windows(config.horizon + 1, within_episodes=True, finished=True):
            return False
        self.sums += self.updater.update(self.slices(), self.transitions(), self.generator)
        self.summed += 1
        self.updates += 1
        return True

    def slices(self) -> Slices:
        """Of finished episodes, on the device."""
        config = self.config
        ids, _ = self.replay.draw_finished(self.rng, config.batch, config.horizon + 1)
        window = self.replay.gather(ids, config.horizon + 1)
        seen = {key: value.swapaxes(0, 1) for key, value in window.observation.items()}
        decided = {"action": window.action, "reward": window.reward}
        rows = self.tensors({key: value[:, :-1].swapaxes(0, 1) for key, value in decided.items()})
        return Slices(self.tensors(seen), **rows)

    def transitions(self) -> Transitions:
        """Of any decisions, the last ones of their episodes included, on the device."""
        config = self.config
        window = self.replay.sample(self.rng, config.batch, config.n_step + 1)
        target = n_step(window, self.discount)
        seen = self.tensors(window.observation)
        row = self.tensors({"window": np.arange(config.batch), "later": target.row})
        return Transitions(
            observation={key: value[:, 0].contiguous() for key, value in seen.items()},
            later={key: value[row["window"], row["later"]] for key, value in seen.items()},
            **self.tensors(
                {
                    "action": window.action[:, 0],
                    "reward": target.reward,
                    "discount": target.discount,
                    "valid": target.valid,
                }
            ),
        )

    def tensors(self, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
        return tensors(arrays, self.device)

    @torch.inference_mode()
    def plan(self, observation: dict[str, Tensor], warm: Tensor, noise: Tensor | float, generator: Generator) -> Plan:
        """MPPI in E environments from the warm start [E, H, A]; `noise` deviates the actor's actions. Never waits for
        the device."""
        net, config = self.networks, self.config
        z = net.encode(observation)
        envs = len(z)

        def repeated(count: int) -> Tensor:
            return z[:, None].expand(-1, count, -1).flatten(0, 1)

        proposals = torch.empty(envs, config.plan_horizon, config.proposals, self.size, device=z.device)
        state = repeated(config.proposals)
        for t in range(config.plan_horizon):
            action = self.noisy(state, envs, noise, generator)
            proposals[:, t] = action.unflatten(0, (envs, -1))
            if t + 1 < config.plan_horizon:
                state = self.after(torch.cat([state, action], dim=-1), generator)
        start = repeated(config.samples)

        def returns(candidates: Tensor) -> Tensor:
            actions = candidates.transpose(0, 1).flatten(1, 2)
            return self.returns(start, actions, envs, noise, generator).unflatten(0, (envs, -1))

        return search(returns, warm, proposals, self.search, generator)

    @torch.inference_mode()
    def react(self, observation: dict[str, Tensor]) -> Tensor:
        """The actor's action [E, A]."""
        return torch.tanh(self.networks.actor(self.networks.encode(observation)))

    def after(self, both: Tensor, generator: Generator) -> Tensor:
        """The next latent [N, D] of latents and actions [N, D + A], as plans go on with it."""
        net = self.networks
        return net.latents.after(net.dynamics(both), self.config.planning, generator)

    def noisy(self, z: Tensor, envs: int, deviation: Tensor | float, generator: Generator) -> Tensor:
        """The actor's actions [E * N, A] at latents [E * N, D], each with noise of its own or all of an environment
        with the same."""
        action = torch.tanh(self.networks.actor(z)).unflatten(0, (envs, -1))
        count = 1 if self.config.shared_noise else action.shape[1]
        noise = torch.randn(envs, count, self.size, generator=generator, device=z.device)
        return (action + deviation * noise).clamp_(-1, 1).flatten(0, 1)

    def returns(self, z: Tensor, actions: Tensor, envs: int, noise: Tensor | float, generator: Generator) -> Tensor:
        """G [E * N] from latents [E * N, D] under actions [H, E * N, A]: discounted rewards, and at the end what two
        critics say of the actor's noisy action."""
        net = self.networks
        total, weight = z.new_zeros(len(z)), 1.0
        for action in actions:
            both = torch.cat([z, action], dim=-1)
            total += weight * net.rewards(both)
            z = self.after(both, generator)
            weight *= self.config.plan_discount
        both = torch.cat([z, self.noisy(z, envs, noise, generator)], dim=-1)
        return total + weight * net.critics(both, net.critics.two(generator))[..., 0].mean(0)

    def metrics(self) -> dict[str, float]:
        if not self.summed:
            return {}
        means = (self.sums / self.summed).tolist()
        self.sums.zero_()
        self.summed = 0
        values = dict(zip(self.updater.metrics, means, strict=True))
        if not np.isfinite(means).all():
            raise Diverged(f"dcmpc: before update {self.updates} {values}")
        return {**values, "exploration_noise": self.noise}

    def state_dict(self) -> State:
        return {
            "networks": self.networks.state_dict(),
            "updater": self.updater.state_dict(),
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state(),
            "length": self.length.copy(),
            "counts": [self.episodes, self.decisions, self.updates, self.summed],
            "sums": self.sums.clone(),
        }

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self.updater.load_state_dict(state["updater"])
        self.rng.bit_generator.state = state["rng"]
        self.generator.set_state(state["generator"])
        self.length = state["length"].copy()
        self.episodes, self.decisions, self.updates, self.summed = state["counts"]
        self.sums.copy_(state["sums"])
        self.capture.drop()


class DCMPCPolicy(Policy):
    """Plans from the warm start its last plan left. Exploring, it acts at random in the first episodes and then adds
    noise to what it planned. In mode "react" it is the actor."""

    def __init__(self, agent: DCMPC, envs: int, seed: int, mode: Mode):
        self.agent, self.mode = agent, mode
        self.plan, self.react = agent.capture(agent.plan), agent.capture(agent.react)
        self.generator = Generator(agent.device).manual_seed(seed)
        self.mean = torch.zeros(envs, agent.config.plan_horizon, agent.size, device=agent.device)

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        if self.mode == "explore" and agent.episodes < agent.config.random_episodes:
            shape = len(first), agent.size
            action = 2 * torch.rand(shape, generator=self.generator, device=agent.device) - 1
        elif self.mode == "react":
            action = self.react(agent.tensors(observation))
        else:
            action = self._plan(agent.tensors(observation), agent.tensors({"first": first})["first"])
        return action.cpu().numpy(), None

    def _plan(self, observation: dict[str, Tensor], first: Tensor) -> Tensor:
        agent = self.agent
        deviation = torch.full((), agent.noise, device=self.mean.device)
        plan = self.plan(observation, shifted(self.mean, first), deviation, self.generator)
        self.mean = plan.mean
        if self.mode == "evaluate":
            return plan.action
        noise = torch.randn(plan.action.shape, generator=self.generator, device=self.mean.device)
        return (plan.action + agent.noise * noise).clamp_(-1, 1)

    def state_dict(self) -> State:
        return {"generator": self.generator.get_state(), "mean": self.mean.clone()}

    def load_state_dict(self, state: State) -> None:
        self.generator.set_state(state["generator"])
        self.mean = state["mean"].to(self.mean)
