"""TD-MPC2's networks, by the paper's symbols: encoder h, dynamics d, reward R, critics Q, policy prior p.

Chance comes in as a generator, and nothing else switches between training and acting: without a generator critics drop
nothing out and images are not shifted.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from gymnasium.spaces import flatdim
from torch import Generator, Tensor, nn

from bench.agents.api import Task
from bench.agents.common.layers import Ensemble, NormedLinear, mlp
from bench.agents.common.twohot import symexp, symlog
from bench.agents.tdmpc2.config import TDMPC2Config

INIT_STD = 0.02  # of every linear layer's weights


def simnorm(x: Tensor, group: int) -> Tensor:
    """Softmax inside each group of `group` neighbours of the last axis; the groups do not touch each other.

    RuntimeError where the axis does not fall into such groups. Written out on a CPU, where torch's softmax over so few
    numbers is six times slower.
    """
    x = x.unflatten(-1, (-1, group))
    if x.is_cuda:
        return x.softmax(-1).flatten(-2)
    weight = (x - x.amax(-1, keepdim=True).detach()).exp()
    return (weight / weight.sum(-1, keepdim=True)).flatten(-2)


class TwoHot(nn.Module):
    """Numbers as distributions over bins that are evenly spaced in symlog space."""

    def __init__(self, bins: int, limit: float):
        super().__init__()
        self.width = 2 * limit / (bins - 1)
        self.limit = limit
        self.register_buffer("bins", torch.linspace(-limit, limit, bins), persistent=False)

    bins: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Of numbers [...], distributions [..., K]: shared by the two nearest bins, in proportion to their nearness."""
        place = symlog(x).clamp(-self.limit, self.limit)[..., None]
        return (1 - ((place - self.bins) / self.width).abs()).clamp(min=0)

    def decode(self, logits: Tensor) -> Tensor:
        """Numbers [...] of logits [..., K]: symexp of the expected bin."""
        return symexp(logits.softmax(-1) @ self.bins)

    def loss(self, logits: Tensor, code: Tensor) -> Tensor:
        """Cross-entropy [...] of logits [..., K] with codes [..., K]."""
        return -(code * logits.log_softmax(-1)).sum(-1)


def initialised(network: nn.Sequential) -> nn.Sequential:
    """Weights normal with INIT_STD, biases 0; LayerNorm as it is."""
    for layer in network:
        nn.init.trunc_normal_(layer.weight, std=INIT_STD)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network


class Encoder(nn.Module):
    """h: what was observed -> z on the simplices."""

    def __init__(self, config: TDMPC2Config, task: Task):
        super().__init__()
        spaces = task.observation.spaces
        self.vectors = sorted(key for key in spaces if key != "image")
        self.group, self.shift = config.group, config.shift
        if "image" in spaces:
            channels = config.latent // 16  # 64 -> 29 -> 13 -> 6 -> 4 pixels
            self.net = nn.Sequential(
                nn.Conv2d(config.images * spaces["image"].shape[2], channels, 7, 2), nn.ReLU(),  # type: ignore[index]
                nn.Conv2d(channels, channels, 5, 2), nn.ReLU(),
                nn.Conv2d(channels, channels, 3, 2), nn.ReLU(),
                nn.Conv2d(channels, channels, 3, 1),
            )  # fmt: skip
            for layer in self.net:
                if isinstance(layer, nn.Conv2d):
                    layer.weight.data.mul_(config.image_gain)
        else:
            size = sum(flatdim(spaces[key]) for key in self.vectors)
            hidden = (config.encoder_width,) * (config.encoder_layers - 1)
            self.net = initialised(mlp(size, hidden, to_latent(config, hidden[-1])))

    def forward(self, observation: dict[str, Tensor], generator: Generator | None = None) -> Tensor:
        """z [..., D] of vectors float32 [..., size] or of images uint8 [..., 64, 64, images * C]."""
        if self.vectors:
            return self.net(torch.cat([observation[key] for key in self.vectors], dim=-1))
        image = observation["image"]
        flat = image.flatten(0, -4)
        if generator is not None:
            flat = shifted(flat, self.shift, generator)
        z = self.net(flat.permute(0, 3, 1, 2).float().div_(255).sub_(0.5)).flatten(1)
        return simnorm(z, self.group).unflatten(0, image.shape[:-3])


def shifted(image: Tensor, limit: int, generator: Generator) -> Tensor:
    """Each image [N, H, W, C] moved by up to `limit` pixels along each axis, its border repeated."""
    count, height, width, channels = image.shape
    moves = torch.randint(-limit, limit + 1, (2, count, 1), generator=generator, device=image.device)
    rows = (torch.arange(height, device=image.device) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=image.device) + moves[1]).clamp(0, width - 1)
    rows = rows + height * torch.arange(count, device=image.device)[:, None]
    pixels = width * rows[:, :, None] + columns[:, None, :]  # whole pixels are copied, ten times faster than numbers
    return image.reshape(-1, channels).index_select(0, pixels.flatten()).view(image.shape)


class Policy(nn.Module):
    """p: z -> a Gaussian whose tanh is the action."""

    def __init__(self, config: TDMPC2Config, actions: int):
        super().__init__()
        self.low, self.span = config.log_std_min, config.log_std_max - config.log_std_min
        hidden = (config.width,) * 2
        self.net = initialised(mlp(config.latent, hidden, nn.Linear(config.width, 2 * actions)))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation [..., A] before the tanh."""
        mean, raw = self.net(z).chunk(2, dim=-1)
        return mean, self.low + 0.5 * self.span * (torch.tanh(raw) + 1)

    def sample(self, z: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """An action [..., A], the noise it was drawn with and the log deviation."""
        mean, log_std = self(z)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return torch.tanh(torch.addcmul(mean, log_std.exp(), noise)), noise, log_std


def gaussian_log_probability(noise: Tensor, log_std: Tensor) -> Tensor:
    """log N(mean + exp(log_std) * noise) [...], summed over the last axis."""
    return (-0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


class Networks(nn.Module):
    """All that is learnt by the model's optimiser, and the policy prior."""

    def __init__(self, config: TDMPC2Config, task: Task):
        super().__init__()
        actions = flatdim(task.action)
        both, hidden = config.latent + actions, (config.width,) * 2
        self.encoder = Encoder(config, task)
        self.dynamics = initialised(mlp(both, hidden, to_latent(config, config.width)))
        self.reward = initialised(mlp(both, hidden, nn.Linear(config.width, config.bins)))
        nn.init.zeros_(self.reward[-1].weight)  # type: ignore[arg-type]
        self.termination = None
        if config.episodic:
            self.termination = initialised(mlp(config.latent, hidden, nn.Linear(config.width, 1)))
        self.critics = critics(config, both)
        self.policy = Policy(config, actions)
        self.code = TwoHot(config.bins, config.bins_limit)

    def model_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """The parameters of the model's optimiser: the encoder's, and all others but the policy's."""
        others = [self.dynamics, self.reward, self.critics, *([self.termination] if self.termination else [])]
        return list(self.encoder.parameters()), [p for module in others for p in module.parameters()]


def critics(config: TDMPC2Config, inputs: int) -> Ensemble:
    """Q: [z, a] -> logits of each of E members; all say 0 at the start."""
    network = Ensemble(inputs, config.width, config.bins, config.members, config.dropout)
    nn.init.trunc_normal_(network.first.weight, std=INIT_STD)
    nn.init.trunc_normal_(network.second.weight, std=INIT_STD)
    nn.init.zeros_(network.last.weight)
    return network


def to_latent(config: TDMPC2Config, inputs: int) -> NormedLinear:
    """The last layer of encoder and dynamics: SimNorm of LayerNorm."""
    return NormedLinear(inputs, config.latent, partial(simnorm, group=config.group))
