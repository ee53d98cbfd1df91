"""What is owed: epochs of collection, then tokenizer, world model and controller, each by counts alone."""

from __future__ import annotations

from typing import NamedTuple

from bench.agents.api import State
from bench.agents.simulus.config import SimulusConfig

TOKENIZER, MODEL, CONTROLLER = "tokenizer", "world model", "controller"


class Unit(NamedTuple):
    """One update of one module."""

    module: str
    epoch: int  # from 1
    number: int  # of the update in its epoch, over all modules
    final: bool  # nothing is collected in its epoch


class Schedule:
    """A module trains in an epoch when as many epochs as its `..._after` came before."""

    def __init__(self, config: SimulusConfig, images: bool):
        self.config, self.images = config, images
        self.epoch, self.done = 1, 0  # updates done in that epoch
        self.final = self.collected = 0  # epochs owed after the last decision; those before it

    def counts(self, epoch: int) -> dict[str, int]:
        """Updates of each module in an epoch."""
        config = self.config
        return {
            TOKENIZER: config.tokenizer_updates * (self.images and epoch > config.tokenizer_after),
            MODEL: config.model_updates * (epoch > config.model_after),
            CONTROLLER: config.controller_updates * (epoch > config.controller_after),
        }

    def due(self, agent_steps: int) -> Unit | None:
        """The next update owed after so many decisions. Changes nothing: `did` does."""
        collected = agent_steps // self.config.epoch_steps
        epoch, number = self.epoch, self.done
        while epoch <= collected + self.final:
            before = 0
            for module, count in self.counts(epoch).items():
                if number < before + count:
                    return Unit(module, epoch, number, epoch > collected)
                before += count
            epoch, number = epoch + 1, 0
        return None

    def behind(self, agent_steps: int) -> int:
        """Epochs collected since the one whose update is owed: more than 0 only while nothing can be drawn for it."""
        unit = self.due(agent_steps)
        return 0 if unit is None else max(0, agent_steps // self.config.epoch_steps - unit.epoch)

    def finish(self, agent_steps: int) -> None:
        """Nothing more is collected: from now on the final epochs are owed."""
        self.final, self.collected = self.config.final_epochs, agent_steps // self.config.epoch_steps

    def final_fraction(self) -> float | None:
        """How much of the final epochs is done; None before them."""
        updates = [sum(self.counts(self.collected + 1 + number).values()) for number in range(self.final)]
        if not sum(updates):
            return None
        over = self.epoch - self.collected - 1  # of them, those behind us
        return 0.0 if over < 0 else (sum(updates[:over]) + self.done) / sum(updates)

    def did(self, unit: Unit) -> None:
        self.epoch, self.done = unit.epoch, unit.number + 1

    def actor_trains(self, unit: Unit) -> bool:
        """The controller's first epochs train its critic alone."""
        return unit.epoch > self.config.controller_after + self.config.critic_epochs

    def state_dict(self) -> State:
        return {"epoch": self.epoch, "done": self.done, "final": self.final, "collected": self.collected}

    def load_state_dict(self, state: State) -> None:
        self.epoch, self.done = state["epoch"], state["done"]
        self.final, self.collected = state["final"], state["collected"]
