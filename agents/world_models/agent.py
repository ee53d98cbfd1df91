"""World Models: six stages one after another, as units of `learn` and episodes of the runner's ordinary loop.

"data" (episodes of the random policy), "V", "codes" (V's, of all frames), "M", then "C": a generation is either
population x rollouts episodes of the task, the i-th of which is rollout i mod R of candidate i // R, or a dream. Where
it was dreams, "gap" follows: one population more, rated in a dream and in the task, whose fitness nobody is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from bench.agents.api import Agent, Diverged, Mode, Policy, State, Step, Task
from bench.agents.common.capture import Capture
from bench.agents.common.transfer import tensor
from bench.agents.world_models import controller as controllers
from bench.agents.world_models import gap, media, vae
from bench.agents.world_models.config import WorldModelsConfig
from bench.agents.world_models.dream import Dream, Dreamer
from bench.agents.world_models.evolution import Evolution
from bench.agents.world_models.frames import Frames
from bench.agents.world_models.mdn_rnn import MDNRNN
from bench.agents.world_models.policy import WorldModelsPolicy
from bench.agents.world_models.training import M_METRICS, V_METRICS, MTraining, VTraining, unit
from bench.agents.world_models.vae import VectorVAE
from bench.agents.world_models.world_model import DreamModel

STAGES = ("data", "V", "codes", "M", "C", "gap")
METRICS = (*V_METRICS, *M_METRICS)
ENCODED = 256  # frames per unit of the stage "codes"
DREAMT = 50  # decisions of a dreamt generation per unit


class WorldModels(Agent):
    config: WorldModelsConfig
    replay: Frames
    world_model: DreamModel

    def __init__(self, config: WorldModelsConfig, task: Task, seed: int, device: str):
        super().__init__(config, task, seed, device)
        self.replay = Frames(task, config.latent)
        self.generator = Generator(device).manual_seed(seed)  # all chance in updates
        self.choices, told = controllers.choices(task), controllers.numbers(config, task)
        with torch.random.fork_rng(devices=[]):  # the weights follow from the seed alone
            torch.manual_seed(seed)
            self.v = vae.build(config, task).to(device)
            self.m = MDNRNN(config.latent, told, config.hidden, config.mixtures, config.end, config.reward).to(device)
        self.controller = controllers.build(config, task)
        self.capture = Capture(device)
        self.v_training = VTraining(config, self.v, seed, self.capture)
        self.m_training = MTraining(config, self.m, self.choices, seed, self.capture)
        self.evolution = Evolution(self.controller.size, config.population, config.sigma, config.covariance, seed)
        self.dreamer = Dreamer(
            self.m, self.controller, config.sees, config.actions, self.choices, config.reward, config.temperature,
            self.capture,
        )  # fmt: skip
        self.world_model = DreamModel(self)
        envs = config.collection.envs
        self.stage = STAGES[0]
        self.length = np.zeros(envs, np.int64)  # decisions of the open episodes
        self.total = np.zeros(envs)  # their rewards so far
        self.losing = np.zeros(envs, np.int64)  # their losing decisions in a row
        self.finished = 0  # episodes of the random policy
        self.round = 0  # generations whose episodes have all been played, or dreamt
        self.opening = -1  # the number of the first episode of the generation being played
        rollouts = config.rollouts if config.fitness == "real" else config.gap_rollouts
        self.returns = np.full((config.population, rollouts), np.nan)  # in the task
        self.dream: Dream | None = None
        self.dreamt = np.empty(0)  # [P + 1] returns in dreams of the gap's candidates and of the mean, once known
        self.sums = torch.zeros(len(METRICS), device=device)  # since the last `metrics`
        self.counts = [0, 0]  # updates of V and of M that they hold
        self._rows: tuple[list[np.ndarray], np.ndarray] | None = None  # of the data's episodes, known from the frames
        self._flat: tuple[int, Tensor] = (-1, torch.empty(0))  # the generation, its candidates and at last the mean

    @property
    def updates(self) -> int:  # type: ignore[override]
        """Of V and M."""
        return self.v_training.updates + self.m_training.updates

    # Acting

    def policy(self, envs: int, seed: int, mode: Mode) -> Policy:
        return WorldModelsPolicy(self, envs, seed, mode)

    @property
    def gathering(self) -> bool:
        """Whether the random policy acts: until C's turn."""
        return self.stage not in ("C", "gap")

    @property
    def rating(self) -> bool:
        """Whether episodes that open now are candidates'."""
        return self.opening >= 0 and self.returns.size > 0 and not self.done()

    def seats(self, episode: np.ndarray) -> np.ndarray:
        """Which candidate's which rollout episodes [E] are, as candidate * R + rollout; -1 for none."""
        seat = episode - self.opening
        return np.where(self.rating & (seat >= 0) & (seat < self.returns.size), seat, -1)

    def controllers(self, seat: np.ndarray) -> Tensor:
        """Flat controllers [E, size] of seats [E]; the distribution's mean for -1."""
        candidate = np.where(seat < 0, self.config.population, seat // max(self.returns.shape[1], 1))
        return self._everyone()[self.tensor(candidate)]

    def _everyone(self) -> Tensor:
        """[P + 1, size]: the generation's candidates, and at last the mean."""
        if self._flat[0] != self.evolution.generation:
            both = np.concatenate([self.evolution.candidates, self.evolution.mean[None]])
            self._flat = self.evolution.generation, self.tensor(both)
        return self._flat[1]

    def episode_seed(self, episode: int) -> int:
        """All candidates of a generation meet the same episodes, those of the next one others, those of the gap too."""
        seat = int(self.seats(np.array([episode]))[0])
        if seat < 0:
            return super().episode_seed(episode)
        number = self.round if self.config.fitness == "real" else self.config.generations  # known before the dreams
        key = [self.seed, 3, number, seat % self.returns.shape[1]]
        return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)

    # Taking in

    def observe(self, step: Step) -> np.ndarray | None:
        ended = step.terminated | step.truncated
        losing = np.where(step.first, 0, self.losing) + 1
        self.losing = np.where(step.reward < 0, losing, 0)
        self.length = np.where(step.first, 0, self.length) + 1
        self.total = np.where(step.first, 0, self.total) + step.reward
        following = int(step.episode.max()) + 1
        if self.stage == "data":
            return self._gather(step, ended, following)
        if self.done():
            return None
        if self.stage == "gap" or (self.stage == "C" and self.config.fitness == "real"):
            return self._rate(step.extras["seat"], ended, following)
        self.opening = following  # asked to act where learning is owed: candidates' episodes begin behind that
        return np.ones(len(ended), bool)

    def _gather(self, step: Step, ended: np.ndarray, following: int) -> np.ndarray:
        """Store what the random policy did; after the last episode's end all others are cut."""
        self.replay.add(step)
        over = ended | (self.length >= self.config.data_steps)
        self.finished += int(over.sum())
        if self.finished < self.config.data_episodes:
            return over
        self._gathered(following)
        return np.ones(len(over), bool)

    def _gathered(self, following: int) -> None:
        self.stage, self.opening = "V", following
        if isinstance(self.v, VectorVAE):
            self.v.standardise({key: self.tensor(value) for key, value in self.replay.observation(self.rows).items()})
        self.m_training.unit = unit(self.config.reward, self.replay["reward"][:])
        self.dreamer.unit.fill_(self.m_training.unit)

    def _rate(self, seat: np.ndarray, ended: np.ndarray, following: int) -> np.ndarray | None:
        """Note the returns of episodes that are over; a generation is complete when none of its own is open.

        An episode that a resume could not rebuild leaves no return (`_fitness` goes without).
        """
        patience = self.config.patience
        if self.stage == "gap":
            over = ended | (self.length >= self.config.horizon)  # as long as a dream
        else:
            over = ended | (self.losing > patience if patience else False)
        rated = over & (seat >= 0)
        self.returns.flat[seat[rated]] = self.total[rated]
        if np.isnan(self.returns).any() and not (
            following - self.opening >= self.returns.size and (over | (seat < 0)).all()
        ):
            return over
        self.round += 1
        self.opening = following
        return np.ones(len(over), bool)

    @property
    def episodes(self) -> list[np.ndarray]:
        """Rows of the data's episodes."""
        return self._known()[0]

    @property
    def rows(self) -> np.ndarray:
        """The same, all of them."""
        return self._known()[1]

    def _known(self) -> tuple[list[np.ndarray], np.ndarray]:
        if self._rows is None:
            episodes = self.replay.episodes(self.config.data_least)
            self._rows = episodes, np.concatenate(episodes)
        return self._rows

    def tensor(self, array: np.ndarray) -> Tensor:
        return tensor(array, self.device)

    # Learning

    def learn(self) -> bool:
        """One update of V or M, a stretch of codes, a part of a dreamt generation, or a step of CMA-ES."""
        if self.stage == "data":
            return False
        units = {"V": self._learn_v, "codes": self._encode, "M": self._learn_m, "C": self._evolve, "gap": self._dream}
        return units[self.stage]()

    def _learn_v(self) -> bool:
        batch = self.replay.observation(self.v_training.rows(self.rows))
        metrics = self.v_training.update({key: self.tensor(value) for key, value in batch.items()}, self.generator)
        self.sums[: len(V_METRICS)] += metrics
        self.counts[0] += 1
        if self.v_training.updates >= self.v_training.total(self.rows):
            self.stage = "codes"
        return True

    @torch.no_grad()
    def _encode(self) -> bool:
        begin = len(self.replay["mu"])
        rows = np.arange(begin, min(begin + ENCODED, len(self.replay)))
        code = self.v.encode({key: self.tensor(value) for key, value in self.replay.observation(rows).items()})
        self.replay.encoded(code.mu.cpu().numpy(), code.logvar.cpu().numpy())
        if len(self.replay["mu"]) == len(self.replay):
            self.stage = "M" if self.config.m_updates else "C"
        return True

    def _learn_m(self) -> bool:
        rows, begins = self.m_training.chunk(self.episodes)
        self.sums[len(V_METRICS) :] += self.m_training.update(rows, begins, self.replay, self.generator)
        self.counts[1] += 1
        if self.m_training.updates >= self.config.m_updates:
            self.stage = "C"
        return True

    def _evolve(self) -> bool:
        if self.config.fitness == "dream":
            return self._dream()
        if self.round == self.evolution.generation:
            return False
        self.evolution.tell(_fitness(self.returns))
        self.returns[:] = np.nan
        return True

    def _dream(self) -> bool:
        if self.dreamt.size:
            return False
        if self.dream is None:
            self.dream = self._begun()
        self.dream.advance(DREAMT)
        if self.dream.over:
            self._took(self.dream.returns.mean(1).cpu().double().numpy())
            self.dream = None
        return True

    def _took(self, returns: np.ndarray) -> None:
        if self.stage == "gap":
            self.dreamt = returns
            return
        self.evolution.tell(returns)
        self.round += 1
        if self.evolution.generation >= self.config.generations:
            self.stage = "gap"

    def _begun(self) -> Dream:
        """A generation's dream, from the first frames of the data's episodes; the gap's is the mean's as well."""
        rows = np.array([rows[0] for rows in self.episodes[: self.config.bank]])
        start = self.tensor(self.replay["mu"][rows]).float(), self.tensor(self.replay["logvar"][rows]).float()
        seed = int(np.random.SeedSequence([self.seed, 4, self.round]).generate_state(1)[0])
        candidates = self._everyone() if self.stage == "gap" else self._everyone()[: self.config.population]
        return Dream(self.dreamer, candidates, start, seed, self.config.horizon, self.config.rollouts)

    def finish(self) -> None:
        """A budget that ends among the data: V and M learn from what there is."""
        if self.stage == "data":
            self._gathered(int(self.replay["episode"][:].max()) + 1)

    def done(self) -> bool:
        if self.config.fitness == "real":
            return self.stage == "C" and self.evolution.generation >= self.config.generations
        return bool(self.dreamt.size) and (self.round > self.config.generations or not self.returns.size)

    # Telling

    def progress(self) -> tuple[str, float | None]:
        if self.stage == "V":
            return "V", self.v_training.updates / self.v_training.total(self.rows)
        if self.stage == "codes":
            return "codes", len(self.replay["mu"]) / len(self.replay)
        if self.stage == "M":
            return "M", self.m_training.updates / self.config.m_updates
        if self.stage == "gap":
            return "gap", float(np.isfinite(self.returns).mean()) if self.returns.size else None
        played = self.config.fitness == "real"  # then frames tell how far C is
        if self.stage == "C":
            return f"C, generation {self.round}", None if played else self.round / self.config.generations
        return "data", None if played else min(self.finished / self.config.data_episodes, 1.0)

    def metrics(self) -> dict[str, float]:
        sizes = [len(V_METRICS), len(M_METRICS)]
        means = (self.sums / self.tensor(np.repeat(np.maximum(self.counts, 1), sizes))).tolist()
        told = np.repeat(self.counts, sizes) > 0
        self.sums.zero_()
        self.counts = [0, 0]
        values = {name: value for name, value, any_ in zip(METRICS, means, told, strict=True) if any_}
        if not np.isfinite(list(values.values())).all():
            raise Diverged(f"world_models: before update {self.updates} {values}")
        if self.evolution.history:
            last = self.evolution.history[-1]
            values |= {"generation": float(self.evolution.generation), "fitness_mean": float(last.mean())}
            values |= {"fitness_best": float(last.max()), "step_size": self.evolution.step_size}
        if self.dreamt.size:
            values |= gap.numbers(self.dreamt, self.returns)
        return values

    def media(self) -> dict[str, np.ndarray]:
        return media.videos(self)

    # State

    def state_dict(self) -> State:
        return {
            "v": self.v.state_dict(),
            "m": self.m.state_dict(),
            "v_training": self.v_training.state_dict(),
            "m_training": self.m_training.state_dict(),
            "evolution": self.evolution.state_dict(),
            "dream": None if self.dream is None else self.dream.state_dict(),
            "generator": self.generator.get_state(),
            "stage": self.stage,
            "numbers": [self.finished, self.round, self.opening, *self.counts],
            "open": [self.length.copy(), self.total.copy(), self.losing.copy()],
            "returns": self.returns.copy(),
            "dreamt": self.dreamt.copy(),
            "sums": self.sums.clone(),
        }

    def load_state_dict(self, state: State) -> None:
        self.v.load_state_dict(state["v"])
        self.m.load_state_dict(state["m"])
        self.v_training.load_state_dict(state["v_training"])
        self.m_training.load_state_dict(state["m_training"])
        self.dreamer.unit.fill_(self.m_training.unit)
        self.evolution.load_state_dict(state["evolution"])
        self.generator.set_state(state["generator"].cpu())
        self.stage = state["stage"]
        self.finished, self.round, self.opening, *self.counts = state["numbers"]
        self.length, self.total, self.losing = (part.copy() for part in state["open"])
        self.returns, self.dreamt = state["returns"].copy(), state["dreamt"].copy()
        self.sums.copy_(state["sums"])
        self._rows, self._flat = None, (-1, torch.empty(0))
        self.capture.drop()
        self.dream = None
        if state["dream"] is not None:
            self.dream = self._begun()
            self.dream.load_state_dict(state["dream"])


def _fitness(returns: np.ndarray) -> np.ndarray:
    """Means [P] of returns [P, R] that are known; where a candidate has none, the mean of all."""
    known = ~np.isnan(returns)
    sums, counts = np.where(known, returns, 0).sum(1), known.sum(1)
    whole: Any = sums.sum() / max(counts.sum(), 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), whole)
