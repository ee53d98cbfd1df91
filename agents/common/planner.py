"""Planning by refitting a Gaussian over action sequences to the best of its samples: MPPI, and CEM as a case of it.

All environments and all candidates are one batch: E environments, N candidate sequences of H actions of A dimensions
are one tensor [E, H, N, A]. Nothing here waits for the device, and every shape is fixed by the settings. The planner
keeps no state: the warm start and the generator belong to the policy that plans.

- MPPI as in TD-MPC2 (Hansen et al. 2024, arXiv:2310.16828): elites weigh exp(temperature * (G - max G)).
- CEM as in PlaNet (Hafner et al. 2019, arXiv:1811.04551): temperature 0, so that all elites weigh the same; its action
  is the mean's first one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Search:
    """Settings of one search."""

    iterations: int  # refits
    samples: int  # N: candidates per refit, proposals included
    elites: int  # candidates that the Gaussian is refitted to
    temperature: float  # of the elites' weights, per unit of return; 0: equal weights
    std_min: float  # of the refitted Gaussian
    std_max: float  # likewise; also of the first one


class Plan(NamedTuple):
    """What a search found in each of E environments."""

    action: Tensor  # [E, A]: first action of one elite, drawn by its weight
    mean: Tensor  # [E, H, A] of the last Gaussian: its warm start for the next decision, after `shifted`
    std: Tensor  # [E, H, A]


def shifted(mean: Tensor, first: Tensor) -> Tensor:
    """The warm start [E, H, A] one decision later: moved up by one step, its last row zero; all zero where `first`
    [E] says that an episode begins."""
    later = torch.cat([mean[:, 1:], torch.zeros_like(mean[:, :1])], dim=1)
    return torch.where(first[:, None, None], 0.0, later)


def search(
    returns: Callable[[Tensor], Tensor], mean: Tensor, proposals: Tensor, settings: Search, generator: torch.Generator
) -> Plan:
    """Refit N(mean, std) to its elites, `iterations` times, from std_max everywhere.

    returns: candidates [E, H, N, A] -> their returns [E, N], of which NaN counts as 0. mean: [E, H, A].
    proposals: [E, H, P, A], sequences that are candidates in every iteration; P may be 0.
    """
    envs, horizon, size = mean.shape
    drawn = settings.samples - proposals.shape[2]
    candidates = torch.empty(envs, horizon, settings.samples, size, device=mean.device)
    candidates[:, :, drawn:] = proposals
    std = torch.full_like(mean, settings.std_max)
    for _ in range(settings.iterations):
        noise = torch.randn(envs, horizon, drawn, size, generator=generator, device=mean.device)
        candidates[:, :, :drawn] = torch.addcmul(mean[:, :, None], std[:, :, None], noise).clamp_(-1, 1)
        best = returns(candidates).nan_to_num(0.0).topk(settings.elites, dim=1)
        index = best.indices[:, None, :, None].expand(-1, horizon, -1, size)
        elites = candidates.gather(2, index)
        weight = torch.softmax(settings.temperature * best.values, dim=1)[:, None, :, None]
        mean = (weight * elites).sum(2)
        std = (weight * (elites - mean[:, :, None]).square()).sum(2).sqrt().clamp_(settings.std_min, settings.std_max)
    chosen = _draw(weight[:, 0, :, 0], generator)[:, None, None].expand(-1, 1, size)
    return Plan(elites[:, 0].gather(1, chosen)[:, 0], mean, std)


def _draw(weight: Tensor, generator: torch.Generator) -> Tensor:
    """An index [E] per row of `weight` [E, K], drawn in proportion to it (the first of exponential clocks to ring)."""
    clocks = torch.empty_like(weight).exponential_(generator=generator)
    return (weight / clocks).argmax(1)
