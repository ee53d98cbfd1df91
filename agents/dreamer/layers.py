"""Layers and their initialisation: linear -> RMS norm -> SiLU everywhere but in output layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def initialize(weight: Tensor, fan_in: int, outscale: float = 1.0) -> None:
    """A normal of variance 1/fan_in, cut at two of its own deviations and widened (1.1368) to keep that variance."""
    deviation = 1.1368 * fan_in**-0.5
    nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation)
    with torch.no_grad():
        weight.mul_(outscale)


def once(weight: Tensor) -> Tensor:
    """A weight that many steps use a part of, in the type autocast would cast each part to, every time."""
    kind = weight.device.type
    return weight.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else weight


class Linear(nn.Linear):
    def __init__(self, inputs: int, outputs: int, outscale: float = 1.0):
        super().__init__(inputs, outputs)
        initialize(self.weight, inputs, outscale)
        nn.init.zeros_(self.bias)


class Conv(nn.Conv2d):
    """5x5, stride 1, same size."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 5, padding=2)
        initialize(self.weight, 25 * inputs)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]


class DoublingConv(Conv):
    """An image enlarged to twice its size by repeating pixels, then 5x5 on that. A pixel of the enlarged image sees 3x3
    small ones, so weights that fall on the same one are added up first: 9 products instead of 25 for each of the four
    pixels that come of one, and no enlarged image is kept for the gradient."""

    fold: Tensor

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs)
        line = torch.zeros(2, 3, 5)  # along an axis, of even and odd pixels: on which of 3 small ones a weight falls
        for parity in range(2):
            for tap in range(5):
                line[parity, (parity + tap) // 2, tap] = 1
        fold = torch.einsum("pik,qjl->klpqij", line, line).reshape(25, 36)  # both axes: 5x5 weights to 2x2 times 3x3
        self.register_buffer("fold", fold, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, 2 H, 2 W]."""
        weight = (self.weight.flatten(2) @ self.fold).unflatten(-1, (4, 3, 3)).transpose(1, 2).flatten(0, 1)
        assert self.bias is not None
        return functional.pixel_shuffle(functional.conv2d(x, weight, self.bias.repeat_interleave(4), padding=1), 2)


class BlockLinear(nn.Module):
    """G linear maps side by side, on inputs that are cut into G blocks."""

    def __init__(self, inputs: int, outputs: int, blocks: int):
        super().__init__()
        self.blocks = blocks
        self.weight = nn.Parameter(torch.empty(blocks, inputs // blocks, outputs // blocks))
        self.bias = nn.Parameter(torch.zeros(outputs))
        initialize(self.weight, inputs)  # the full fan-in, as the official rule has it

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs] -> [B, outputs]."""
        blocks = x.unflatten(-1, (self.blocks, -1)).transpose(0, 1)
        return torch.bmm(blocks, self.weight).transpose(0, 1).flatten(1) + self.bias

    def cut(self, size: int) -> tuple[Tensor, Tensor]:
        """The weights of a block's own inputs, `size` in all blocks together, and of those that all blocks share."""
        weight = once(self.weight)
        return weight[:, : size // self.blocks], weight[:, size // self.blocks :]

    def forward_shared(self, x: Tensor, shared: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        """As `forward` where every block's input is its part of x [B, D] followed by all of `shared` [B, S], without
        repeating those. weights: from `cut`."""
        own, common = weights
        blocks = x.unflatten(-1, (self.blocks, -1)).transpose(0, 1)
        y = torch.baddbmm(torch.matmul(shared, common), blocks, own)
        return y.transpose(0, 1).flatten(1) + self.bias


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + 1e-4) * scale over the last axis, in float32."""

    def __init__(self, size: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x.float(), self.scale.shape, self.scale, 1e-4).to(x.dtype)


class NormedLinear(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear, self.norm = Linear(inputs, outputs), RMSNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.norm(self.linear(x)))


def mlp(inputs: int, units: int, layers: int) -> nn.Sequential:
    sizes = [inputs, *[units] * layers]
    return nn.Sequential(*(NormedLinear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)))


class ChannelNorm(nn.Module):
    """RMSNorm over the channels of images [B, C, H, W], then SiLU."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = RMSNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.norm(x.movedim(1, -1)).movedim(-1, 1))
