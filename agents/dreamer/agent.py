"""DreamerV3: what is stored, when an update is owed, and the update itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from bench.agents.api import Agent, Diverged, Mode, Policy, State, Step, Task
from bench.agents.common.capture import Capture
from bench.agents.common.categorical import one_hot
from bench.agents.common.device_replay import sequence_replay
from bench.agents.common.laprop import LaProp
from bench.agents.common.replay import Dense, SequenceReplay, Sequences
from bench.agents.common.transfer import tensors
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.fresh import Fresh
from bench.agents.dreamer.media import open_loop
from bench.agents.dreamer.policy import DreamerPolicy
from bench.agents.dreamer.rssm import Latent
from bench.agents.dreamer.update import Batch, Networks, ReturnScale, losses
from bench.agents.dreamer.world_model import DreamerWorldModel


def latents(config: DreamerConfig) -> dict[str, Dense]:
    """What replay keeps of every state: bfloat16 bits of `deter`, the classes of `stoch`."""
    return {"deter": Dense((config.deter,), "int16"), "stoch": Dense((config.latents,), "uint8")}


class Dreamer(Agent):
    config: DreamerConfig
    replay: SequenceReplay

    def __init__(self, config: DreamerConfig, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.precision = "float32" if device == "cpu" else "bfloat16"
        self.replay = sequence_replay(task, config.replay, config.collection.envs, device, latents(config))
        self.fresh = Fresh(self.replay, config.length)
        self.rng = np.random.default_rng(seed)  # draws the batches
        with torch.random.fork_rng(devices=[]):  # the weights follow from the seed alone
            torch.manual_seed(seed)
            self.networks = Networks(config, task).to(device)
        self.slow = copy.deepcopy(self.networks.value).requires_grad_(False)
        self.scale = ReturnScale(config.return_rate, device)
        self.optimizer = LaProp(self.networks.parameters(), config.learning_rate, config.warmup, config.agc)
        self.generator = torch.Generator(device).manual_seed(seed)  # draws latents and imagined actions
        self.capture = Capture(device)
        self.descended = self.capture(self.descend, self.generator)
        self.world_model = DreamerWorldModel(self.networks, config, task)
        self.agent_steps = self.updates = 0
        self.start: int | None = None  # agent steps when there first were windows for a batch
        self.sums: dict[str, Tensor] = {}  # of what was reported since the last `metrics`
        self.summed = 0

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return DreamerPolicy(self, envs, seed)

    def observe(self, step: Step) -> None:
        self.replay.add(step, **step.extras)
        self.fresh.add()
        self.agent_steps += len(step.reward)
        steps = self.config.batch * self.config.length
        if self.start is None and self.replay.windows(self.config.length + 1) >= steps:
            self.start = self.agent_steps

    @property
    def owed(self) -> int:
        """Updates due by now: one as soon as there are windows, then train_ratio / (B T) per agent step."""
        if self.start is None:
            return 0
        steps = self.agent_steps - self.start
        return 1 + int(steps * self.config.train_ratio / (self.config.batch * self.config.length))

    def learn(self) -> bool:
        if self.updates >= self.owed:
            return False
        window = self.replay.gather(self.fresh.draw(self.rng, self.config.batch), self.config.length + 1)
        states = self.update(self.batch(window))
        for name, values in self.stored(states).items():
            self.replay.write(name, window.ids[:, 1:], values)
        self.updates += 1
        return True

    def batch(self, window: Sequences) -> Batch:
        """Windows of T + 1 rows as B sequences of T steps, on the device. A row's reward and end belong to the step it
        leads to; an episode without a last row was stopped, which ends it where the next one begins."""
        first, last = window.first[:, 1:], window.last[:, 1:].copy()
        last[:, :-1] |= first[:, 1:]
        arrays = {
            "action": window.action[:, :-1],
            "reward": window.reward[:, :-1] * ~first,
            "first": first,
            "last": last,
            "terminal": window.terminated[:, 1:] & window.last[:, 1:],
        }
        tensors = self.tensors(arrays)
        stored = self.tensors({name: column[:, 0] for name, column in window.dense.items()})
        return Batch(
            before=Latent(stored["deter"].view(torch.bfloat16).float(), one_hot(stored["stoch"], self.config.classes)),
            observation=self.tensors({key: value[:, 1:] for key, value in window.observation.items()}),
            action=self.encoded(tensors.pop("action")),
            **tensors,
        )

    def update(self, batch: Batch) -> Latent:
        """One optimiser step; gives the new states [B, T, ...]. Never waits for the device."""
        states, report = self.descended(batch)
        for name, value in report.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.summed += 1
        return states

    def descend(self, batch: Batch) -> tuple[Latent, dict[str, Tensor]]:
        """The same on the device alone; also what to report, 0-d tensors."""
        with self.autocast():
            loss, states, report = losses(self.networks, self.slow, self.scale, self.config, batch, self.generator)
        gradients = list(torch.autograd.grad(loss, self.optimizer.parameters))
        report["gradient_norm"] = self.optimizer.step(gradients)
        with torch.no_grad():
            slow, critic = list(self.slow.parameters()), list(self.networks.value.parameters())
            torch._foreach_lerp_(slow, critic, self.config.slow_rate)  # type: ignore[arg-type]
        return states, report

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 where the paper has it, on GPUs; norms, distributions and losses stay in float32."""
        return torch.autocast("cuda", torch.bfloat16, enabled=self.precision == "bfloat16")

    def encoded(self, action: Tensor) -> Tensor:
        """Actions as the model takes them: float32 [..., A]."""
        if isinstance(self.task.action, spaces.Discrete):
            return one_hot(action, int(self.task.action.n))
        return action.float()

    def stored(self, state: Latent) -> dict[str, Tensor]:
        """States as replay keeps them: columns as `latents` declares them."""
        return {
            "deter": state.deter.bfloat16().view(torch.int16),
            "stoch": state.stoch.argmax(-1).to(torch.uint8),
        }

    def tensors(self, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
        return tensors(arrays, self.device)

    def metrics(self) -> dict[str, float]:
        if not self.summed:
            return {}
        means = dict(zip(self.sums, (torch.stack(list(self.sums.values())) / self.summed).tolist(), strict=True))
        self.sums, self.summed = {}, 0
        if strange := {name: mean for name, mean in means.items() if not np.isfinite(mean)}:
            raise Diverged(f"dreamer: means up to update {self.updates} are {strange}")
        return means

    def media(self) -> dict[str, np.ndarray]:
        return open_loop(self)

    def state_dict(self) -> State:
        return {
            "networks": self.networks.state_dict(),
            "slow": self.slow.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "percentiles": self.scale.percentiles,
            "generator": self.generator.get_state(),
            "rng": self.rng.bit_generator.state,
            "fresh": self.fresh.state_dict(),
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "start": self.start,
            "sums": dict(self.sums),
            "summed": self.summed,
        }

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self.slow.load_state_dict(state["slow"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scale.percentiles.copy_(state["percentiles"])
        self.generator.set_state(state["generator"].cpu())
        self.rng.bit_generator.state = state["rng"]
        self.fresh.load_state_dict(state["fresh"])
        self.agent_steps, self.updates, self.start = state["agent_steps"], state["updates"], state["start"]
        self.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        self.summed = state["summed"]
        self.capture.drop()
