"""What PlaNet and the earlier Dreamers share as agents: storing, what an update trains on, filtering, and their state.
A family adds when updates are owed, the update itself, and how it acts on a state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Generator, Tensor, nn

from bench.agents.api import Agent, Diverged, Mode, Policy, State, Step, Task
from bench.agents.common.capture import Capture
from bench.agents.common.categorical import draw as draw_class
from bench.agents.common.categorical import one_hot
from bench.agents.common.device_replay import sequence_replay
from bench.agents.common.replay import SequenceReplay
from bench.agents.common.representation import Representation
from bench.agents.common.rssm.batch import Batch, draw
from bench.agents.common.rssm.clipped_adam import ClippedAdam
from bench.agents.common.rssm.dense import Scalar, initialised
from bench.agents.common.rssm.images import Encoder, centred
from bench.agents.common.rssm.media import open_loop
from bench.agents.common.rssm.model import RSSM, Latent
from bench.agents.common.rssm.policy import FilteringPolicy
from bench.agents.common.rssm.world_model import RecurrentWorldModel
from bench.agents.common.transfer import tensors


class Networks(nn.Module):
    """The parts every family has; its subclasses add an actor or a value."""

    encoder: Encoder
    rssm: RSSM
    representation: Representation
    reward: Scalar
    going_on: Scalar | None  # logits of the discounted probability of going on

    def model(self) -> list[nn.Parameter]:
        """The world model's parameters."""
        parts = (self.encoder, self.rssm, self.representation, self.reward, self.going_on)
        return [parameter for part in parts if part is not None for parameter in part.parameters()]


class RecurrentAgent(Agent):
    """config: of a family, with `batch`, `length`, `replay`, `imagination` and `discount`."""

    replay: SequenceReplay
    networks: Any  # a family's Networks

    def __init__(self, config: Any, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.discrete = isinstance(task.action, spaces.Discrete)
        self.size = int(task.action.n) if isinstance(task.action, spaces.Discrete) else spaces.flatdim(task.action)
        self.replay = sequence_replay(task, config.replay, config.collection.envs, device)
        self.rng = np.random.default_rng(seed)  # draws the batches
        self.generator = Generator(device).manual_seed(seed)  # all other chance in updates
        with torch.random.fork_rng(devices=[]):  # the weights follow from the seed alone
            torch.manual_seed(seed)
            self.networks = initialised(self.build()).to(device)
        self.optimizers = self.build_optimizers()
        self.capture = Capture(device)
        self.descended = self.capture(self.descend, self.generator)
        self.world_model = RecurrentWorldModel(self)
        self.agent_steps = self.episodes = self.updates = 0  # episodes: finished ones
        self.sums: dict[str, Tensor] = {}  # of what was reported since the last `metrics`
        self.summed = 0

    @abstractmethod
    def build(self) -> Networks: ...

    @abstractmethod
    def build_optimizers(self) -> dict[str, ClippedAdam]: ...

    @property
    @abstractmethod
    def owed(self) -> int:
        """Updates due by now, a function of counts."""

    @property
    @abstractmethod
    def prefilling(self) -> bool:
        """Whether experience is still gathered at random."""

    @abstractmethod
    def descend(self, batch: Batch) -> dict[str, Tensor]:
        """One step of every optimiser, on the device alone; what to report, 0-d tensors."""

    @abstractmethod
    def decide(self, state: Latent, mode: Mode, generator: Generator) -> Tensor:
        """Actions [E, A] at states [E, ...]; one-hot where discrete. Never waits for the device."""

    def seen(self, observation: dict[str, Tensor], generator: Generator | None) -> dict[str, Tensor]:
        """Observations as encoder and decoder take them; a family's noise is drawn where there is a generator."""
        return centred(observation)

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return FilteringPolicy(self, envs, seed, mode)

    def observe(self, step: Step) -> None:
        self.replay.add(step)
        self.agent_steps += len(step.reward)
        self.episodes += int((step.terminated | step.truncated).sum())

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """`descend`, and what a family does between updates. Never waits for the device."""
        return self.descended(batch)

    def learn(self) -> bool:
        length = self.config.length
        if self.updates >= self.owed or not self.replay.windows(length, within_episodes=True, finished=True):
            return False
        report = self.update(self.batch())
        for name, value in report.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.summed += 1
        self.updates += 1
        return True

    def batch(self) -> Batch:
        observation, fields = draw(self.replay, self.rng, self.config.batch, self.config.length)
        tensors = self.tensors(fields)
        action = self.encoded(tensors.pop("action"), tensors["first"])
        return Batch(observation=self.tensors(observation), action=action, **tensors)

    def encoded(self, action: Tensor, first: Tensor) -> Tensor:
        """Stored actions before steps as the model takes them, float32 [..., A]; zero before a first one."""
        vectors = one_hot(action, self.size) if self.discrete else action.float()
        return vectors * (~first)[..., None]

    def random(self, envs: int, generator: Generator) -> Tensor:
        """Uniform actions [E, A]."""
        if self.discrete:
            uniform = torch.full((envs, self.size), 1 / self.size, device=self.device)
            return one_hot(draw_class(uniform, torch.rand(envs, generator=generator, device=self.device)), self.size)
        return 2 * torch.rand(envs, self.size, generator=generator, device=self.device) - 1

    def tensors(self, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
        return tensors(arrays, self.device)

    def metrics(self) -> dict[str, float]:
        if not self.summed:
            return {}
        means = dict(zip(self.sums, (torch.stack(list(self.sums.values())) / self.summed).tolist(), strict=True))
        self.sums, self.summed = {}, 0
        if strange := {name: mean for name, mean in means.items() if not np.isfinite(mean)}:
            raise Diverged(f"means up to update {self.updates} are {strange}")
        return means

    def media(self) -> dict[str, np.ndarray]:
        return open_loop(self)

    def state_dict(self) -> State:
        return {
            "networks": self.networks.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "generator": self.generator.get_state(),
            "rng": self.rng.bit_generator.state,
            "counts": [self.agent_steps, self.episodes, self.updates, self.summed],
            "sums": dict(self.sums),
        }

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.generator.set_state(state["generator"].cpu())
        self.rng.bit_generator.state = state["rng"]
        self.agent_steps, self.episodes, self.updates, self.summed = state["counts"]
        self.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        self.capture.drop()
