"""What a run needs, for the forecast where nothing was measured: the multiplications of its products. No torch."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

from gymnasium import spaces

from bench.agents.api import Cost, Task
from bench.agents.common.cost import TORCH_PROCESS, row_bytes
from bench.agents.simulus.config import SimulusConfig

PIXELS_PER_TOKEN = 8  # along each side of an image
VECTOR_LEVELS, ACTION_LEVELS, BINS = 125, 51, 129
KERNEL = 9  # places of a convolution's 3x3 kernel
TRAINED = 3  # forward passes that one with its backward pass costs
KEPT = 20  # numbers that a backward pass keeps per token, layer and unit of width
KEPT_LOGITS = 6  # and per word of a slot's vocabulary: two heads' logits, their logarithms, gradients
KEPT_PIXEL = 18  # and per pixel and channel of the tokenizer's first convolution: both halves' layers
BYTES = 4  # of a number


class Products(NamedTuple):
    """Multiplications with additions of one ..."""

    tokenizer: int  # update
    model: int  # update
    controller: int  # update, its burn-in's frames encoded anew
    decision: int  # of the policy


class Sizes(NamedTuple):
    pixels: int  # tokens of the image
    colours: int
    numbers: int  # tokens of the vectors
    acted: int  # tokens of an action
    choices: int  # of each

    @property
    def observed(self) -> int:
        return self.pixels + self.numbers

    @property
    def block(self) -> int:
        return self.observed + self.acted


def sizes(task: Task) -> Sizes:
    seen = task.observation.spaces
    shape = seen["image"].shape or () if "image" in seen else ()
    pixels = prod(side // PIXELS_PER_TOKEN for side in shape[:2]) if shape else 0
    numbers = sum(spaces.flatdim(space) for key, space in seen.items() if key != "image")
    if isinstance(task.action, spaces.Discrete):
        return Sizes(pixels, shape[2] if shape else 0, numbers, 1, int(task.action.n))
    return Sizes(pixels, shape[2] if shape else 0, numbers, spaces.flatdim(task.action), ACTION_LEVELS)


def products(task: Task, config: SimulusConfig) -> Products:
    of, d = sizes(task), config.width
    horizon = config.length - config.context
    encoded = _encoder(of, config) + of.pixels * config.codes * d  # with the search for the nearest codes
    back = (TRAINED - 1) * _encoder(of, config)  # the search has no gradient
    tokenizer = config.tokenizer_batch * (encoded + back + TRAINED * _decoder(of, config))
    heads = _token_heads(of, config)
    model = config.model_batch * (
        config.length * (TRAINED * (_real(of, config) + _ahead(of, config) + 2 * heads + _outcome(d)) + encoded)
        + TRAINED * config.layers * (config.length + 1) ** 2 * d * d // config.heads  # states before every block
    )
    see, do, decide = _mind(of, config)
    dreamt = _real(of, config) + _ahead(of, config) + (1 + config.members) * heads + _outcome(d)
    controller = config.controller_batch * (
        (config.burn_in + config.context) * encoded
        + (config.burn_in + config.context - 1) * (see + do)
        + (config.context - 1) * _real(of, config)
        + horizon * (dreamt + TRAINED * (see + do + decide))
        + TRAINED * (see + decide)
    )
    return Products(tokenizer, model, controller, encoded + see + do + decide)


def cost(task: Task, config: SimulusConfig) -> Cost:
    of, each = sizes(task), products(task, config)
    epoch = (
        config.tokenizer_updates * each.tokenizer * (of.pixels > 0)
        + config.model_updates * each.model
        + config.controller_updates * each.controller
    )
    decisions = config.model_batch * config.length
    model = decisions * (
        KEPT * config.layers * config.width * (of.block + of.observed)
        + KEPT_LOGITS * (of.pixels * config.codes + of.numbers * VECTOR_LEVELS)
    )
    tokenizer = KEPT_PIXEL * config.tokenizer_batch * of.pixels * PIXELS_PER_TOKEN**2 * config.tokenizer_width
    flops = 2 * (epoch / config.epoch_steps + each.decision)
    stored = row_bytes(task) + BYTES * (1 + of.pixels)  # its priority and tokens too
    return Cost(flops, TORCH_PROCESS + BYTES * max(model, tokenizer), stored, config.replay)


def _encoder(of: Sizes, config: SimulusConfig) -> int:
    """Of a frame. Each halving doubles the channels, so all three cost the same."""
    c = config.tokenizer_width
    return KERNEL * of.pixels * (64 * of.colours * c + 3 * 32 * c * c + 8 * c * config.width)


def _decoder(of: Sizes, config: SimulusConfig) -> int:
    """Of a frame. Its convolutions follow the doubling, where the encoder's are part of the halving."""
    c = config.tokenizer_width
    return KERNEL * of.pixels * (64 * of.colours * c + 3 * 128 * c * c + 8 * c * config.width)


def _token(chunk: int, config: SimulusConfig) -> int:
    """A layer on a token of a chunk: projections and feed-forward, its chunk, the state before it."""
    d = config.width
    return 13 * d * d + 2 * chunk * d + d * d // config.heads


def _real(of: Sizes, config: SimulusConfig) -> int:
    """The trunk on a block. Its last layer makes keys and values alone."""
    d, into = config.width, config.width**2 // config.heads
    return of.block * ((config.layers - 1) * (_token(of.block, config) + into) + 2 * d * d + into)


def _ahead(of: Sizes, config: SimulusConfig) -> int:
    """The trunk on an observation's predictions."""
    return of.observed * config.layers * _token(of.observed, config)


def _token_heads(of: Sizes, config: SimulusConfig) -> int:
    """A token head on every slot of an observation."""
    d = config.width
    return of.observed * 2 * d * d + 2 * d * (of.pixels * config.codes + of.numbers * VECTOR_LEVELS)


def _outcome(d: int) -> int:
    """Reward and end of a decision."""
    return 2 * d * d + 2 * d * BINS + d * d + 2 * d


def _mind(of: Sizes, config: SimulusConfig) -> tuple[int, int, int]:
    """The controller on an observation, on an action, and its decision."""
    channels = [config.width, *config.channels] if of.pixels else [0]
    fused = [channels[-1] * of.pixels + of.numbers, *config.fuser]
    convolutions = KERNEL * of.pixels * sum(a * b for a, b in pairwise(channels))
    lstm = 4 * config.lstm * (fused[-1] + config.lstm)
    bodies = 2 if config.separate else 1
    see = bodies * (convolutions + sum(a * b for a, b in pairwise(fused)) + lstm)
    return see, bodies * lstm, config.lstm * (of.acted * of.choices + BINS)
