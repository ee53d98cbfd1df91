"""The updates of V and M, one optimiser step each: which rows they read follows from seed and number alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench.agents.api import State
from bench.agents.common.capture import Capture
from bench.agents.common.transfer import tensor
from bench.agents.world_models.config import WorldModelsConfig
from bench.agents.world_models.controller import told
from bench.agents.world_models.frames import Frames
from bench.agents.world_models.mdn_rnn import IDLE, LOST, MDNRNN, TILES, Recurrent
from bench.agents.world_models.vae import VAE, Code

V_METRICS = ("v_error", "v_kl")  # squared error of an observation (a sum), and nats
M_METRICS = ("m_nll", "m_end", "m_reward")  # nats per number of z, and the two losses beside it
BETAS, EPS = (0.9, 0.999), 1e-8  # Adam's


def on_device(net: nn.Module) -> bool:
    """Whether the host has no part in an optimiser's steps, so that a graph can hold them. On a CPU it has: there that
    changes the last bits, and nothing else."""
    return next(net.parameters()).is_cuda


def adam(net: nn.Module, rate: float) -> torch.optim.Adam:
    alone = on_device(net)
    return torch.optim.Adam(net.parameters(), rate, BETAS, EPS, fused=alone or None, capturable=alone)


class VTraining:
    """Passes over all frames, each in an order of its own."""

    def __init__(self, config: WorldModelsConfig, vae: VAE, seed: int, capture: Capture):
        self.config, self.vae, self.seed = config, vae, seed
        self.optimizer = adam(vae, config.v_rate)
        self.descended = capture(self.descend)
        self.updates = 0
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))  # of a pass: its number and the rows

    def total(self, rows: np.ndarray) -> int:
        """Updates over all passes."""
        return self.config.v_epochs * self._batches(rows)

    def _batches(self, rows: np.ndarray) -> int:
        return max(len(rows) // self.config.v_batch, 1)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Of the next batch, among those of the data."""
        epoch, batch = divmod(self.updates, self._batches(rows))
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self.seed, 1, epoch]).permutation(rows)
        size = self.config.v_batch
        return np.sort(self._order[1][batch * size : (batch + 1) * size])  # sorted: a disk reads forwards

    def update(self, observation: dict[str, Tensor], generator: Generator) -> Tensor:
        """One step; the metrics [2]. Never waits for the device."""
        self.updates += 1
        return self.descended(observation, generator)

    def descend(self, observation: dict[str, Tensor], generator: Generator) -> Tensor:
        """The same on the device alone."""
        config = self.config
        loss = self.vae.loss(observation, config.kl_tolerance, config.v_weight, generator)
        self.optimizer.zero_grad()
        loss.total.backward()
        self.optimizer.step()
        return torch.stack([loss.error, loss.kl]).detach()

    def state_dict(self) -> State:
        return {"optimizer": self.optimizer.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: State) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates = state["updates"]


class Happened(NamedTuple):
    """Rows [T + 1, B] of the data, on the device."""

    action: Tensor  # [T + 1, B, ...], as stored
    reward: Tensor
    first: Tensor
    terminated: Tensor


class MTraining:
    """Episodes in random order, end to end, cut into streams that are read side by side in chunks of `m_length`
    decisions. The state goes on from chunk to chunk and starts at zero with every episode and every pass."""

    def __init__(self, config: WorldModelsConfig, net: MDNRNN, choices: int, seed: int, capture: Capture):
        self.config, self.net, self.choices, self.seed = config, net, choices, seed
        self.optimizer = adam(net, config.m_rate)
        self.descended = capture(self.descend)
        self.updates = 0
        self.state: Recurrent | None = None  # after the last chunk, where the pass goes on
        self.unit = 1.0  # of the reward head's outputs, measured in the data: `unit`
        self._streams: tuple[int, np.ndarray] = (-1, np.empty((0, 0), np.int64))  # of a pass: its number, rows [B, L]

    def chunk(self, episodes: list[np.ndarray]) -> tuple[np.ndarray, bool]:
        """The rows [T + 1, B] of the next update, the last of which is only foretold, and whether a pass begins."""
        rows = sum(map(len, episodes))
        batch = max(min(self.config.m_batch, rows // 2), 1)
        length = min(self.config.m_length, rows // batch - 1)
        number, at = divmod(self.updates, max((rows // batch - 1) // max(length, 1), 1))
        if self._streams[0] != number:
            order = np.random.default_rng([self.seed, 2, number]).permutation(len(episodes))
            joined = np.concatenate([episodes[k] for k in order])
            self._streams = number, joined[: rows // batch * batch].reshape(batch, -1)
        return self._streams[1][:, at * length : (at + 1) * length + 1].T, at == 0

    def update(self, rows: np.ndarray, begins: bool, frames: Frames, generator: Generator) -> Tensor:
        """One step on rows [T + 1, B]; the metrics [3]. Never waits for the device."""
        device = self.net.kernel.device
        code = Code(*(tensor(frames[name][rows], device).float() for name in ("mu", "logvar")))
        happened = Happened(
            *(tensor(frames[name][rows], device) for name in ("action", "reward", "first", "terminated"))
        )
        if begins or self.state is None:
            self.state = self.net.initial(rows.shape[1])
        rate = self.config.m_rate_min + (self.config.m_rate - self.config.m_rate_min) * (
            self.config.m_rate_decay**self.updates
        )
        read = torch.full((), rate, device=device) if on_device(self.net) else rate
        self.state, losses = self.descended(code, happened, self.state, read, generator)
        self.updates += 1
        return losses

    def descend(
        self, code: Code, happened: Happened, state: Recurrent, rate: Tensor | float, generator: Generator
    ) -> tuple[Recurrent, Tensor]:
        """The same on the device alone, at a learning rate; also the state after it."""
        z = code.sample(generator)  # anew for every update: M must not learn one draw by heart
        action, first = told(self.config.actions, happened.action[:-1], self.choices), happened.first
        h, after = self.net(self.net.joined(z[:-1], action, first[:-1]), first[:-1], state)
        losses = self.losses(h, z[1:], ~first[1:], happened.reward[:-1], happened.terminated[:-1])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        losses.sum().backward()
        torch.nn.utils.clip_grad_value_(self.net.parameters(), self.config.m_clip)
        self.optimizer.step()
        return Recurrent(after.h.detach(), after.c.detach()), losses.detach()

    def losses(self, h: Tensor, z: Tensor, goes_on: Tensor, paid: Tensor, ended: Tensor) -> Tensor:
        """[3] of states [T, B, hidden]: z's likelihood where the episode goes on, its end, the reward."""
        ahead = self.net.predict(h)
        nll = ahead.z.nll(z).mean(-1)
        seen = (nll * goes_on).sum() / goes_on.sum().clamp(min=1)
        end = reward = torch.zeros_like(seen)
        if ahead.end is not None:
            target = (ended & (paid <= LOST) if self.config.reward == "tiles" else ended).float()
            weight = 1 + (self.config.end_weight - 1) * target
            end = functional.binary_cross_entropy_with_logits(ahead.end, target, weight=weight)
        if self.config.reward == "tiles":
            touched = ((paid - IDLE) / self.unit).round().clamp(0, TILES - 1).long()
            reward = functional.cross_entropy(ahead.reward.flatten(0, 1), touched.flatten())  # type: ignore[union-attr]
        elif self.config.reward == "linear":
            reward = (ahead.reward[..., 0] - paid / self.unit).square().mean()  # type: ignore[index]
        return torch.stack([seen, end, reward])

    def state_dict(self) -> State:
        state = None if self.state is None else [self.state.h.clone(), self.state.c.clone()]
        return {
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
            "state": state,
            "unit": self.unit,
        }

    def load_state_dict(self, state: State) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates, self.unit = state["updates"], state["unit"]
        device = self.net.kernel.device
        self.state = None if state["state"] is None else Recurrent(*(part.to(device) for part in state["state"]))


def unit(head: str, reward: np.ndarray) -> float:
    """What a reward head's outputs count in, of the data's rewards [N]. "tiles": what one new tile of CarRacing's track
    pays, the median of what was paid beyond a decision's cost. "linear": the rewards' deviation."""
    if head == "tiles":
        touched = reward[reward > 0] - IDLE
        return float(np.median(touched)) if len(touched) else 1.0
    return max(float(reward.std()), 1e-3)
