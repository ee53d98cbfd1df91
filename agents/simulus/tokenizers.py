"""What is observed and done, as tokens: an image by its VQ-VAE, then every vector's numbers, then the action."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn

from bench.agents.api import Task
from bench.agents.common.twohot import symexp
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.image import HALVINGS, ImageTokenizer
from bench.agents.simulus.levels import ACTION_LEVELS, VECTOR_LEVELS, VectorLevels, action_levels


class Layout(NamedTuple):
    """Where a block's tokens come from: first the image's, then the vectors' in the order of their keys."""

    grid: tuple[int, int]  # of the image's tokens; (0, 0) where there is no image
    vectors: dict[str, tuple[int, ...]]  # shape of each
    acted: int  # A: tokens of an action

    @property
    def pixels(self) -> int:
        """Tokens of the image."""
        return prod(self.grid)

    @property
    def numbers(self) -> int:
        """Tokens of the vectors."""
        return sum(prod(shape) for shape in self.vectors.values())

    @property
    def observed(self) -> int:
        """K: tokens of an observation."""
        return self.pixels + self.numbers

    def split(self, tokens: Tensor, dim: int = -1) -> dict[str, Tensor]:
        """By modality, those that there are."""
        parts = tokens.split([self.pixels, self.numbers], dim)
        return {name: part for name, part in zip(("image", "vector"), parts, strict=True) if part.shape[dim]}


def layout(task: Task) -> Layout:
    image = task.observation.spaces.get("image")
    height, width = image.shape[:2] if image is not None and image.shape is not None else (0, 0)
    vectors = {key: tuple(space.shape or ()) for key, space in task.observation.spaces.items() if key != "image"}
    acted = 1 if isinstance(task.action, spaces.Discrete) else spaces.flatdim(task.action)
    return Layout((height >> HALVINGS, width >> HALVINGS), vectors, acted)


class Tokenizers(nn.Module):
    """The module V. Only the image's tokenizer has parameters."""

    def __init__(self, config: SimulusConfig, task: Task):
        super().__init__()
        self.layout = layout(task)
        self.discrete = isinstance(task.action, spaces.Discrete)
        self.levels, self.actions = VectorLevels(), action_levels()
        self.choices = int(task.action.n) if isinstance(task.action, spaces.Discrete) else ACTION_LEVELS
        self.image: ImageTokenizer | None = None
        if self.layout.pixels:
            colours = (task.observation.spaces["image"].shape or ())[2]
            self.image = ImageTokenizer(colours, config.tokenizer_width, config.width, config.codes, config.batch_norm)

    @property
    def codes(self) -> Tensor | None:
        """The image's code vectors [V, d], without gradient."""
        return None if self.image is None else self.image.codes.weight.detach()

    @property
    def words(self) -> dict[str, int]:
        """Size of each modality's vocabulary."""
        sizes = {"image": 0 if self.image is None else self.image.codes.num_embeddings, "vector": VECTOR_LEVELS}
        return {
            name: sizes[name]
            for name, there in (("image", self.layout.pixels), ("vector", self.layout.numbers))
            if there
        }

    @torch.no_grad()
    def observed(self, observation: dict[str, Tensor]) -> Tensor:
        """int64 [N, K] of observations {key: [N, ...]}."""
        numbers = self.numbered(observation)
        return numbers if self.image is None else torch.cat([self.image.tokens(observation["image"]), numbers], dim=1)

    def numbered(self, observation: dict[str, Tensor]) -> Tensor:
        """int64 [N, numbers] of the vectors among observations {key: [N, ...]}."""
        parts = [self.levels.tokens(observation[key].float()).flatten(1) for key in self.layout.vectors]
        return torch.cat(parts, dim=1) if parts else next(iter(observation.values())).new_zeros(0).long()

    def acted(self, action: Tensor) -> Tensor:
        """int64 [..., A] of actions int64 [...] or float32 [..., A]."""
        return action[..., None] if self.discrete else self.actions.tokens(action)

    def chosen(self, tokens: Tensor) -> Tensor:
        """The actions of tokens [..., A]: the inverse of `acted`."""
        return tokens[..., 0] if self.discrete else self.actions.values(tokens)

    def decoded(self, tokens: Tensor) -> dict[str, Tensor]:
        """Observations {key: [N, ...]} as float32 of tokens [N, K]; pixels 0 to 255."""
        parts, result = self.layout.split(tokens), {}
        if self.image is not None:
            result["image"] = self.image.pictures(parts["image"], self.layout.grid)
        if self.layout.numbers:
            numbers = symexp(self.levels.values(parts["vector"]))
            sizes = [prod(shape) for shape in self.layout.vectors.values()]
            for (key, shape), part in zip(self.layout.vectors.items(), numbers.split(sizes, dim=1), strict=True):
                result[key] = part.unflatten(1, shape or (1,)) if shape else part[:, 0]
        return result
