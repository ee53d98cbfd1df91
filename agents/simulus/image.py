"""The tokenizer of images: a VQ-VAE that halves a picture three times, so that 64x64 pixels are 8x8 tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

HALVINGS = 3
GROUPS, EPS = 8, 1e-6


class Coded(NamedTuple):
    """What one pass makes of N images."""

    encoded: Tensor  # e [N, d, h, w]
    nearest: Tensor  # q [N, d, h, w]: the codes of the tokens
    tokens: Tensor  # int64 [N, h, w]
    decoded: Tensor  # [N, C, H, W], about -1 to 1


def _normed(channels: int) -> list[nn.Module]:
    return [nn.GroupNorm(GROUPS, channels, EPS), nn.SiLU()]


class Encoder(nn.Sequential):
    def __init__(self, colours: int, channels: int, width: int):
        layers: list[nn.Module] = [nn.Conv2d(colours, channels, 3, padding=1)]
        for _ in range(HALVINGS):
            layers += [*_normed(channels), nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, 2 * channels, 3, stride=2)]
            channels *= 2
        super().__init__(*layers, *_normed(channels), nn.Conv2d(channels, width, 3, padding=1))


class Decoder(nn.Sequential):
    """`batch_norm`: opens with one over the batch; its averages are used outside training."""

    def __init__(self, colours: int, channels: int, width: int, batch_norm: bool):
        channels <<= HALVINGS
        opening: nn.Module = nn.BatchNorm2d(width) if batch_norm else nn.GroupNorm(GROUPS, width, EPS)
        layers: list[nn.Module] = [opening, nn.Conv2d(width, channels, 3, padding=1)]
        for _ in range(HALVINGS):
            layers += [*_normed(channels), nn.Upsample(scale_factor=2, mode="nearest-exact")]
            layers += [nn.Conv2d(channels, channels // 2, 3, padding=1)]
            channels //= 2
        super().__init__(*layers, *_normed(channels), nn.Conv2d(channels, colours, 3, padding=1))
        self.eval()


class ImageTokenizer(nn.Module):
    def __init__(self, colours: int, channels: int, width: int, codes: int, batch_norm: bool):
        super().__init__()
        self.encoder = Encoder(colours, channels, width)
        self.decoder = Decoder(colours, channels, width, batch_norm)
        self.codes = nn.Embedding(codes, width)
        nn.init.uniform_(self.codes.weight, -1 / codes, 1 / codes)

    def encode(self, image: Tensor) -> Tensor:
        """e [N, d, h, w] of uint8 images [N, H, W, C]."""
        return self.encoder(scaled(image))

    def nearest(self, encoded: Tensor) -> Tensor:
        """int64 [N, h, w]: the code nearest to each e, in squared distance."""
        flat, codes = encoded.movedim(1, -1), self.codes.weight
        distance = codes.square().sum(-1) - 2 * functional.linear(flat, codes)
        return distance.argmin(-1)

    @torch.no_grad()
    def tokens(self, image: Tensor) -> Tensor:
        """int64 [N, K] of uint8 images [N, H, W, C], row by row."""
        return self.nearest(self.encode(image)).flatten(1)

    def forward(self, image: Tensor) -> Coded:
        """Encoded, quantised with straight-through gradients, decoded."""
        encoded = self.encode(image)
        tokens = self.nearest(encoded.detach())
        nearest = self.codes(tokens).movedim(-1, 1)
        through = nearest.detach() + (encoded - encoded.detach())
        return Coded(encoded, nearest, tokens, self.decoder(through))

    @torch.no_grad()
    def pictures(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Pixels 0 to 255, float [N, H, W, C], of tokens [N, K]."""
        picture = self.decoder(self.codes(tokens.unflatten(-1, grid)).movedim(-1, 1))
        return ((picture + 1) * 127.5).clamp(0, 255).movedim(1, -1)


def scaled(image: Tensor) -> Tensor:
    """uint8 [N, H, W, C] as [N, C, H, W] from -1 to 1."""
    return image.movedim(-1, 1).float() / 127.5 - 1


def losses(coded: Coded, image: Tensor, perceptual: nn.Module | None = None) -> dict[str, Tensor]:
    """What makes the codes describe the picture, each a mean over elements, all of weight 1. Without a perceptual net
    small bright things would be lost, so the mean distance and each picture's worst pixel count a little instead."""
    target = scaled(image)
    difference = coded.decoded - target
    square = difference.square()
    terms = {
        "reconstruction": square.mean(),
        "codebook": functional.mse_loss(coded.nearest, coded.encoded.detach()),
        "commitment": functional.mse_loss(coded.encoded, coded.nearest.detach()),
    }
    if perceptual is not None:
        return {**terms, "perceptual": perceptual(coded.decoded, target)}
    return {**terms, "l1": 0.1 * difference.abs().mean(), "worst_pixel": 0.01 * square.flatten(1).amax(1).mean()}
