"""Simulus: what is stored and drawn, and one unit of learning."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from bench.agents.api import Agent, Diverged, Mode, Policy, State, Step, Task
from bench.agents.common.replay import SequenceReplay, Sequences
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.imagination import Contexts
from bench.agents.simulus.media import videos
from bench.agents.simulus.policy import SimulusPolicy
from bench.agents.simulus.priorities import Priorities, drawn
from bench.agents.simulus.schedule import MODEL, TOKENIZER, Schedule, Unit
from bench.agents.simulus.update import Networks, Updater
from bench.agents.simulus.world import Segments
from bench.agents.simulus.world_model import SimulusWorldModel


class Simulus(Agent):
    config: SimulusConfig
    replay: SequenceReplay
    world_model: SimulusWorldModel

    def __init__(self, config: SimulusConfig, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.replay = SequenceReplay(task, config.replay)
        self.priorities = Priorities()
        self.rng = np.random.default_rng(seed)  # draws the batches
        self.generator = Generator(device).manual_seed(seed)  # all other chance in updates
        with torch.random.fork_rng(devices=[]):  # the weights follow from the seed alone
            torch.manual_seed(seed)
            self.networks = Networks(config, task).to(device)
        self.updater = Updater(config, self.networks, device)
        self.schedule = Schedule(config, self.networks.tokenizers.image is not None)
        self.world_model = SimulusWorldModel(self.networks, config)
        self.agent_steps = 0
        self.updates = 0  # of the world model
        self.sums: dict[str, Tensor] = {}  # of what was reported since the last `metrics`
        self.counts: dict[str, int] = {}

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return SimulusPolicy(self, envs, seed, mode)

    def observe(self, step: Step) -> None:
        self.replay.add(step)
        self.agent_steps += len(step.reward)

    def finish(self) -> None:
        self.schedule.late = self.config.late_epochs

    def learn(self) -> bool:
        """One update of the module whose turn it is, as soon as there is enough to draw its batch from."""
        unit = self.schedule.due(self.agent_steps)
        report = None if unit is None else self._update(unit)
        if unit is None or report is None:
            return False
        self.schedule.did(unit)
        for name, value in report.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
        return True

    def _update(self, unit: Unit) -> dict[str, Tensor] | None:
        """What the update reports; None where the replay is too short for it yet."""
        config = self.config
        if unit.module == TOKENIZER:
            frames = self.replay.sample(self.rng, config.tokenizer_batch, 1).observation["image"][:, 0]
            return self.updater.tokenizer(self.tensors({"image": frames})["image"])
        if unit.module == MODEL:
            rows = self.rows(0, config.length)
            if len(rows) < config.model_batch:
                return None
            rows = rows[drawn(self.rng, self.priorities.of(rows), config.model_batch, config.prioritised)]
            report, priority = self.updater.model(self.segments(rows), self.generator)
            self.priorities.write(rows, priority.cpu().numpy())
            self.updates += 1
            return report
        rows = self.rows(config.burn_in, 0)
        if not len(rows):
            return None
        contexts = self.contexts(rows[self.rng.integers(len(rows), size=config.controller_batch)])
        intrinsic = config.intrinsic if config.late_bonus or not unit.late else 0.0
        return self.updater.controller(contexts, intrinsic, self.schedule.actor_trains(unit), self.generator)

    def rows(self, before: int, length: int) -> np.ndarray:
        """int64 [N]: rows that open `context` + 1 rows of one episode, with so many rows before them and `length` from
        them on, whatever episodes those are of."""
        rows = self.replay.starts(self.config.context + 1, within_episodes=True)[:, 1]
        return rows[(rows >= self.replay.tails[0] + before) & (rows + length <= self.replay.heads[0])]

    def segments(self, rows: np.ndarray) -> Segments:
        """What the world model trains on from each of the rows on, on the device."""
        window = self._window(rows, self.config.length)
        decided = {"action": window.action, "reward": window.reward, "terminated": window.terminated & ~window.last}
        tensors = self.tensors({**decided, "there": window.episode == window.episode[:, :1]})
        tensors["action"] = self.networks.tokenizers.acted(tensors["action"])
        return Segments(self._tokens(window), **tensors)

    def contexts(self, rows: np.ndarray) -> Contexts:
        """What dreams begin from, on the device: the context opens at each of the rows."""
        config = self.config
        first = rows - config.burn_in + (0 if config.aligned_context else 1)
        window = self._window(first, config.burn_in + config.context)
        there = window.episode == window.episode[:, -1:]
        return Contexts(self._tokens(window), **self.tensors({"action": window.action, "there": there}))

    def _window(self, rows: np.ndarray, length: int) -> Sequences:
        return self.replay.gather(np.stack([np.zeros_like(rows), rows], axis=1), length)

    def _tokens(self, window: Sequences) -> Tensor:
        """int64 [B, L, K]."""
        flat = {key: value.reshape(-1, *value.shape[2:]) for key, value in window.observation.items()}
        return self.networks.tokenizers.observed(self.tensors(flat)).unflatten(0, window.reward.shape)

    def tensors(self, arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
        return {key: torch.from_numpy(np.ascontiguousarray(value)).to(self.device) for key, value in arrays.items()}

    def progress(self) -> tuple[str, float | None]:
        unit = self.schedule.due(self.agent_steps)
        return ("collect" if unit is None else unit.module), None

    def metrics(self) -> dict[str, float]:
        if not self.sums:
            return {}
        sums = torch.stack(list(self.sums.values())).tolist()
        means = {name: value / self.counts[name] for name, value in zip(self.sums, sums, strict=True)}
        self.sums, self.counts = {}, {}
        if strange := {name: mean for name, mean in means.items() if not np.isfinite(mean)}:
            raise Diverged(f"simulus: means up to update {self.updates} are {strange}")
        return means

    def media(self) -> dict[str, np.ndarray]:
        return videos(self)

    def state_dict(self) -> State:
        return {
            "networks": self.networks.state_dict(),
            "updater": self.updater.state_dict(),
            "schedule": self.schedule.state_dict(),
            "priorities": self.priorities.state_dict(),
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state(),
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "sums": dict(self.sums),
            "counts": dict(self.counts),
        }

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self.updater.load_state_dict(state["updater"])
        self.schedule.load_state_dict(state["schedule"])
        self.priorities.load_state_dict(state["priorities"])
        self.rng.bit_generator.state = state["rng"]
        self.generator.set_state(state["generator"].cpu())
        self.agent_steps, self.updates = state["agent_steps"], state["updates"]
        self.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        self.counts = dict(state["counts"])
