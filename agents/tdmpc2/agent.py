"""TD-MPC2: storing, acting, and what is owed. Its losses are in update.py, its networks in networks.py."""

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
from bench.agents.common.planner import Plan, Search, search, shifted
from bench.agents.common.replay import SequenceReplay
from bench.agents.common.transfer import tensors
from bench.agents.tdmpc2.config import TDMPC2Config, discount, seeding
from bench.agents.tdmpc2.networks import Networks
from bench.agents.tdmpc2.update import METRICS, Batch, Updater
from bench.agents.tdmpc2.world_model import LatentModel


class TDMPC2(Agent):
    config: TDMPC2Config
    replay: SequenceReplay

    def __init__(self, config: TDMPC2Config, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.replay = sequence_replay(task, config.replay, config.collection.envs, device)
        self.rng = np.random.default_rng(seed)  # draws the batches
        self.generator = Generator(device).manual_seed(seed)  # all other chance in updates
        with torch.random.fork_rng(devices=[]):  # the weights follow from the seed alone
            torch.manual_seed(seed)
            self.networks = Networks(config, task).to(device)
        self.discount = discount(config, task)
        self.updater = Updater(config, self.networks, self.discount)
        self.capture = Capture(device)
        self.update = self.capture(self.updater.update)
        self.world_model = LatentModel(self)
        self.size = flatdim(task.action)  # A
        more = config.iterations_more if self.size >= 20 else 0
        self.search = Search(
            config.iterations + more, config.samples, config.elites, config.temperature, config.std_min, config.std_max
        )
        self.seeding = seeding(config, task)
        self.agent_steps = 0
        self.updates = 0
        self.sums = torch.zeros(len(METRICS), device=device)  # since the last `metrics`
        self.summed = 0

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return TDMPC2Policy(self, envs, seed, mode)

    def observe(self, step: Step) -> None:
        self.replay.add(step)
        self.agent_steps += len(step.reward)

    def learn(self) -> bool:
        """One update. The first decision that ends the seeding owes one for all before it, every later one its own."""
        config = self.config
        decisions = self.agent_steps - config.collection.envs if self.agent_steps > self.seeding else 0
        owes = self.updates < decisions // config.steps_per_update
        if not owes or not self.replay.windows(config.horizon + 1, within_episodes=True, finished=True):
            return False
        self.sums += self.update(self.batch(), self.generator)
        self.summed += 1
        self.updates += 1
        return True

    def batch(self) -> Batch:
        """Slices of finished episodes, on the device."""
        config = self.config
        ids, opened = self.replay.draw_finished(self.rng, config.batch, config.horizon + 1)
        window = self.replay.gather(ids, config.horizon + 1)
        observation = self.tensors(window.observation)
        if "image" in observation:
            before = ids[:, None] + np.stack([np.zeros(config.images - 1, int), np.arange(1 - config.images, 0)], 1)
            before[..., 1] = np.maximum(before[..., 1], opened[:, None])
            earlier = self.replay.gather(before.reshape(-1, 2), 1).observation["image"]
            earlier = earlier.reshape(config.batch, config.images - 1, *earlier.shape[2:])
            frames = torch.cat([self.tensors({"image": earlier})["image"], observation["image"]], dim=1)
            parts = [frames[:, k : k + config.horizon + 1] for k in range(config.images)]
            observation["image"] = torch.cat(parts, dim=-1)
        decided = {"action": window.action, "reward": window.reward, "terminated": window.terminated}
        rows = self.tensors({key: value[:, :-1] for key, value in decided.items()})
        return Batch(
            {key: value.transpose(0, 1) for key, value in observation.items()},
            *(rows[key].transpose(0, 1).float() for key in ("action", "reward", "terminated")),
        )

    def tensors(self, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
        return tensors(arrays, self.device)

    @torch.inference_mode()
    def plan(self, observation: dict[str, Tensor], warm: Tensor, generator: Generator) -> Plan:
        """MPPI in E environments from the warm start [E, H, A]. Never waits for the device."""
        net, config = self.networks, self.config
        z = net.encoder(observation, generator)

        def repeated(count: int) -> Tensor:
            return z[:, None].expand(-1, count, -1).flatten(0, 1)

        proposals = torch.empty(len(z), config.horizon, config.proposals, self.size, device=z.device)
        state = repeated(config.proposals)
        for t in range(config.horizon):
            action, _, _ = net.policy.sample(state, generator)
            proposals[:, t] = action.unflatten(0, (len(z), -1))
            if t + 1 < config.horizon:
                state = net.dynamics(torch.cat([state, action], dim=-1))
        start = repeated(config.samples)

        def returns(candidates: Tensor) -> Tensor:
            return self.returns(start, candidates.transpose(0, 1).flatten(1, 2), generator).unflatten(0, (len(z), -1))

        return search(returns, warm, proposals, self.search, generator)

    @torch.inference_mode()
    def react(self, observation: dict[str, Tensor], generator: Generator) -> Tensor:
        """The policy prior's mean action [E, A]."""
        mean, _ = self.networks.policy(self.networks.encoder(observation, generator))
        return torch.tanh(mean)

    def returns(self, z: Tensor, actions: Tensor, generator: Generator) -> Tensor:
        """G [N] from states [N, D] under actions [H, N, A]: discounted rewards, and at the end what two critics say.

        Where terminations are predicted, nothing counts after a step that is more likely than not to end the episode.
        """
        net = self.networks
        total, weight = z.new_zeros(len(z)), z.new_ones(len(z))
        for action in actions:
            both = torch.cat([z, action], dim=-1)
            total += weight * net.code.decode(net.reward(both))
            z = net.dynamics(both)
            weight = weight * self.discount
            if net.termination is not None:
                weight = weight * (net.termination(z)[..., 0] <= 0)  # probability <= 0.5
        action, _, _ = net.policy.sample(z, generator)
        logits = net.critics(torch.cat([z, action], dim=-1), net.critics.two(generator))
        return total + weight * net.code.decode(logits).mean(0)

    def metrics(self) -> dict[str, float]:
        if not self.summed:
            return {}
        means = (self.sums / self.summed).tolist()
        self.sums.zero_()
        self.summed = 0
        values = dict(zip(METRICS, means, strict=True))
        if not np.isfinite(means).all():
            raise Diverged(f"tdmpc2: before update {self.updates} {values}")
        return values

    def state_dict(self) -> State:
        return {
            "networks": self.networks.state_dict(),
            "updater": self.updater.state_dict(),
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state(),
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "sums": self.sums.clone(),
            "summed": self.summed,
        }

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self.updater.load_state_dict(state["updater"])
        self.rng.bit_generator.state = state["rng"]
        self.generator.set_state(state["generator"])
        self.agent_steps, self.updates = state["agent_steps"], state["updates"]
        self.sums.copy_(state["sums"])
        self.summed = state["summed"]
        self.capture.drop()


class TDMPC2Policy(Policy):
    """Plans from the warm start its last plan left. Exploring, it acts at random while the seeding lasts and then adds
    the plan's own deviation. In mode "react" it is the policy prior's mean."""

    def __init__(self, agent: TDMPC2, envs: int, seed: int, mode: Mode):
        self.agent, self.mode = agent, mode
        self.plan, self.react = agent.capture(agent.plan), agent.capture(agent.react)
        self.generator = Generator(agent.device).manual_seed(seed)
        self.mean = torch.zeros(envs, agent.config.horizon, agent.size, device=agent.device)
        self.frames: np.ndarray | None = None  # uint8 [E, 64, 64, images * C]: the images seen at once

    def act(self, observation: Observation, first: np.ndarray) -> tuple[np.ndarray, Any]:
        agent = self.agent
        if "image" in observation:
            self.frames = stacked(self.frames, observation["image"], first, agent.config.images)
            observation = {**observation, "image": self.frames}
        if self.mode == "explore" and agent.agent_steps <= agent.seeding:
            shape = len(first), agent.size
            action = 2 * torch.rand(shape, generator=self.generator, device=agent.device) - 1
        elif self.mode == "react":
            action = self.react(agent.tensors(observation), self.generator)
        else:
            action = self._plan(agent.tensors(observation), agent.tensors({"first": first})["first"])
        return action.cpu().numpy(), None

    def _plan(self, observation: dict[str, Tensor], first: Tensor) -> Tensor:
        plan = self.plan(observation, shifted(self.mean, first), self.generator)
        self.mean = plan.mean
        if self.mode == "evaluate":
            return plan.action
        noise = torch.randn(plan.action.shape, generator=self.generator, device=self.mean.device)
        return torch.addcmul(plan.action, plan.std[:, 0], noise).clamp(-1, 1)

    def state_dict(self) -> State:
        return {"generator": self.generator.get_state(), "mean": self.mean.clone(), "frames": self.frames}

    def load_state_dict(self, state: State) -> None:
        self.generator.set_state(state["generator"])
        self.mean = state["mean"].to(self.mean)
        self.frames = state["frames"]


def stacked(frames: np.ndarray | None, image: np.ndarray, first: np.ndarray, count: int) -> np.ndarray:
    """The last `count` images [E, H, W, count * C] once `image` [E, H, W, C] is seen; a first one is repeated."""
    fresh = np.concatenate([image] * count, axis=-1)
    if frames is None:
        return fresh
    later = np.concatenate([frames[..., image.shape[-1] :], image], axis=-1)
    return np.where(first[:, None, None, None], fresh, later)
