"""CMA-ES by the `cma` package, behind ask and tell, maximising.

A trajectory is a function of the seed and of the fitness told so far, so that history is the state: a resume plays it
back. Nothing of the package's own state is saved, and nothing of it can be forgotten.
"""

from __future__ import annotations

from typing import Any

import cma
import numpy as np
from cma.sigma_adaptation import CMAAdaptSigmaCSA

from bench.agents.api import State


class Evolution:
    """A population of vectors around a mean that starts at 0."""

    def __init__(self, size: int, population: int, sigma: float, covariance: str, seed: int):
        self._size, self._population, self._sigma = size, population, sigma
        self._covariance, self._seed = covariance, seed
        self._begin()

    def _begin(self) -> None:
        rng = np.random.default_rng(self._seed)
        options = {
            "popsize": self._population,
            "CMA_diagonal": self._covariance == "separable",
            "AdaptSigma": CMAAdaptSigmaCSA,  # else the package takes another rule from 300 numbers on
            "randn": lambda *shape: rng.standard_normal(shape),
            "verbose": -9,
        }
        self.strategy = cma.CMAEvolutionStrategy(np.zeros(self._size), self._sigma, options)
        self.history: list[np.ndarray] = []
        self._ask()

    def _ask(self) -> None:
        self._asked = self.strategy.ask()
        self.candidates = np.array(self._asked, np.float32)  # [P, size]

    @property
    def generation(self) -> int:
        """Told so far."""
        return len(self.history)

    @property
    def mean(self) -> np.ndarray:
        """float32 [size]: the distribution's mean, which is the agent that is reported."""
        return np.array(self.strategy.mean, np.float32)

    @property
    def step_size(self) -> float:
        return float(self.strategy.sigma)

    def tell(self, fitness: np.ndarray) -> None:
        """The candidates' fitness [P], the larger the better; then there are new candidates."""
        self.history.append(np.array(fitness, np.float64))
        self.strategy.tell(self._asked, (-self.history[-1]).tolist())
        self._ask()

    def state_dict(self) -> State:
        return {"fitness": np.array(self.history).reshape(-1, self._population)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._begin()
        for fitness in state["fitness"]:
            self.tell(fitness)
