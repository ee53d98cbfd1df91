"""Simulus: what is stored and drawn, and one unit of learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from bench.agents.api import Agent, Mode, Policy, State, Step, Task
from bench.agents.common.capture import Capture
from bench.agents.common.device_replay import sequence_replay
from bench.agents.common.replay import SequenceReplay, Sequences
from bench.agents.common.transfer import tensors
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.frames import FrameTokens
from bench.agents.simulus.imagination import Contexts
from bench.agents.simulus.means import Means
from bench.agents.simulus.media import videos
from bench.agents.simulus.policy import SimulusPolicy
from bench.agents.simulus.priorities import Priorities, drawn
from bench.agents.simulus.schedule import CONTROLLER, MODEL, TOKENIZER, Schedule, Unit
from bench.agents.simulus.update import Networks, Updater
from bench.agents.simulus.world import Segments
from bench.agents.simulus.world_model import SimulusWorldModel


class Simulus(Agent):
    config: SimulusConfig
    replay: SequenceReplay
    world_model: SimulusWorldModel

    def __init__(self, config: SimulusConfig, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.replay = sequence_replay(task, config.replay, 1, device)
        self.priorities = Priorities()
        self.rng = np.random.default_rng(seed)  # draws the batches
        self.generator = Generator(device).manual_seed(seed)  # all other chance in updates
        with torch.random.fork_rng(devices=[]):  # the weights follow from the seed alone
            torch.manual_seed(seed)
            self.networks = Networks(config, task).to(device)
        self.capture = Capture(device)
        self.updater = Updater(config, self.networks, device, self.capture)
        pixels = self.networks.tokenizers.layout.pixels
        self.frames = FrameTokens(pixels, device) if pixels else None
        self.schedule = Schedule(config, pixels > 0)
        self.world_model = SimulusWorldModel(self.networks, config)
        self.agent_steps = 0
        self.updates = 0  # of the world model
        self.means = Means(device)  # since the last `metrics`

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return SimulusPolicy(self, envs, seed, mode)

    def observe(self, step: Step) -> None:
        self.replay.add(step)
        self.agent_steps += len(step.reward)

    def finish(self) -> None:
        """RuntimeError where an update was owed that the replay never had enough for."""
        if waiting := self.waiting():
            raise RuntimeError(waiting)
        self.schedule.finish(self.agent_steps)

    def learn(self) -> bool:
        """One update of the module whose turn it is, as soon as there is enough to draw its batch from."""
        unit = self.schedule.due(self.agent_steps)
        rows = None if unit is None else self._drawn(unit)
        if unit is None or rows is None:
            return False
        self.means.add(self._update(unit, rows))
        self.schedule.did(unit)
        return True

    def _drawn(self, unit: Unit) -> np.ndarray | None:
        """int64 [B]: rows that the update's batch opens at; None where the replay is too short for it yet."""
        config = self.config
        if unit.module == TOKENIZER:
            return self.replay.draw(self.rng, config.tokenizer_batch, 1)[:, 1]
        rows = self._open_to(unit.module)
        if unit.module == CONTROLLER:
            return rows[self.rng.integers(len(rows), size=config.controller_batch)] if len(rows) else None
        if len(rows) < config.model_batch:
            return None
        return rows[drawn(self.rng, self.priorities.of(rows), config.model_batch, config.prioritised)]

    def _open_to(self, module: str) -> np.ndarray:
        return self.rows(0, self.config.length) if module == MODEL else self.rows(self.config.burn_in, 0)

    def _update(self, unit: Unit, rows: np.ndarray) -> dict[str, Tensor]:
        """What the update on the batch that opens at `rows` reports. Never waits for the device."""
        if unit.module == TOKENIZER:
            assert self.frames is not None
            self.frames.forget()
            image = self._window(rows, 1).observation["image"][:, 0]
            return self.updater.tokenizer(self.tensors({"image": image})["image"])
        if unit.module == MODEL:
            report, errors = self.updater.model(self.segments(rows), self.generator)
            self.priorities.note(rows, errors)
            self.updates += 1
            return report
        intrinsic = self.config.intrinsic if self.config.final_bonus or not unit.final else 0.0
        return self.updater.controller(self.contexts(rows), intrinsic, self.schedule.actor_trains(unit), self.generator)

    def waiting(self) -> str:
        """A sentence, where the update owed cannot be done with what was seen so far; else nothing."""
        unit, config = self.schedule.due(self.agent_steps), self.config
        if unit is None or unit.module == TOKENIZER:
            return ""
        needed = config.model_batch if unit.module == MODEL else 1
        found = len(self._open_to(unit.module))
        if found >= needed:
            return ""
        return (
            f"simulus: no update of the {unit.module} yet after {self.agent_steps} decisions: it needs {needed} places "
            f"with context + 1 = {config.context + 1} observations of one episode in a row, and {found} were seen; "
            f"take a smaller context, or longer episodes"
        )

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
        seen = {key: value.flatten(0, 1) for key, value in self.tensors(window.observation).items()}
        if self.frames is None:
            tokens = self.networks.tokenizers.observed(seen)
        else:
            images = seen.pop("image")
            tokens = self.frames.of(window.ids[..., 1].ravel(), images, self._encoded)
            if seen:
                tokens = torch.cat([tokens, self.networks.tokenizers.numbered(seen)], dim=1)
        return tokens.unflatten(0, window.reward.shape)

    def _encoded(self, images: Tensor) -> Tensor:
        assert self.networks.tokenizers.image is not None
        return self.networks.tokenizers.image.tokens(images)

    def tensors(self, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
        return tensors(arrays, self.device)

    def progress(self) -> tuple[str, float | None]:
        unit = self.schedule.due(self.agent_steps)
        if unit is None:
            return "collect", None
        if self.schedule.behind(self.agent_steps) > 1:
            return f"{unit.module}: waiting for longer episodes", None
        return unit.module, self.schedule.final_fraction()

    def metrics(self) -> dict[str, float]:
        """`epochs_waited`: since the oldest update owed, which the replay is still too short for."""
        self.updater.check()
        means = self.means.take()
        if waited := self.schedule.behind(self.agent_steps):
            means["epochs_waited"] = float(waited)
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
            "means": self.means.state_dict(),
            "frames": None if self.frames is None else self.frames.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self.updater.load_state_dict(state["updater"])
        self.schedule.load_state_dict(state["schedule"])
        self.priorities.load_state_dict(state["priorities"])
        self.rng.bit_generator.state = state["rng"]
        self.generator.set_state(state["generator"].cpu())
        self.agent_steps, self.updates = state["agent_steps"], state["updates"]
        self.means.load_state_dict(state["means"])
        if self.frames is not None:
            self.frames.load_state_dict(state["frames"])
        self.capture.drop()
