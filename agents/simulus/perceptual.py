"""LPIPS (Zhang et al. 2018) from local files: how far two pictures are apart to a VGG16. Nothing is ever downloaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.agents.simulus.spec import LPIPS_FILES

VGG, LINEAR = LPIPS_FILES  # torchvision's weights, and taming-transformers' linear layers on them
SUMS = {VGG: ("sha256", "397923af"), LINEAR: ("md5", "d507d7349b931f0638a25a48a722f98a")}  # how the digest begins
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # channels; halved in between


class LPIPS(nn.Module):
    """Frozen. Weighted squared distances of the unit-length features after each stage, averaged over places."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        colours = 3
        for stage in STAGES:
            for channels in stage:
                layers += [nn.Conv2d(colours, channels, 3, padding=1), nn.ReLU()]
                colours = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)  # numbered as torchvision's
        self.weights = nn.ParameterList(torch.ones(1, stage[-1], 1, 1) for stage in STAGES)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None], persistent=False)
        self.requires_grad_(False)

    shift: Tensor
    scale: Tensor

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """The mean distance, 0-d, of pictures [N, 3, H, W] from -1 to 1."""
        x = (torch.cat([one, other]) - self.shift) / self.scale
        distance, weights = x.new_zeros(()), iter(self.weights)
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                a, b = functional.normalize(x, dim=1, eps=1e-10).chunk(2)
                distance = distance + ((a - b).square() * next(weights)).sum(1).mean()
            x = layer(x)
        return distance


def load(folder: str) -> LPIPS:
    """From the two files in `folder`. ValueError where one is another file than it should be."""
    files = {name: Path(folder) / name for name in SUMS}
    for name, (algorithm, begins) in SUMS.items():
        with open(files[name], "rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if not found.startswith(begins):
            raise ValueError(f"{files[name]} is not LPIPS's {name}: its {algorithm} is {found}, not {begins}...")
    net = LPIPS()
    vgg = torch.load(files[VGG], map_location="cpu", weights_only=True)
    net.features.load_state_dict(
        {key.removeprefix("features."): value for key, value in vgg.items() if key.startswith("features.")}
    )
    linear = torch.load(files[LINEAR], map_location="cpu", weights_only=True)
    for number, weight in enumerate(net.weights):
        weight.copy_(linear[f"lin{number}.model.1.weight"])
    return net
