"""What makes a state tell of its observation: reconstruction, InfoNCE, or nothing. An objective owns its parameters and
gives a loss; the rest of an agent does not know which one it has."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST = 0.01  # deviation of the contrastive head
FIRST = math.log(math.e - 1)  # makes it 1 more at outputs of zero
WINDOW = (10, 30)  # sequences and steps that the released code shifts states by


class Representation(nn.Module):
    """The objective of an agent that learns its states from reward alone, and the face of all others."""

    def __init__(self, decoder: Any = None):
        super().__init__()
        self.decoder = decoder

    def losses(self, state: Any, tokens: Tensor, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named 0-d terms to minimise, in nats per state, of what the decoder takes of states [B, T], the encoder's
        tokens [B, T, K] and what it saw."""
        return {}


class InfoNCE(Representation):
    """-ln q(s | o) + ln sum of q over candidates, q a diagonal normal over the feature, predicted from the tokens.

    direction: "over_obs", the state is fixed and the candidates are observations (the paper's equation); "over_states",
    the observation is fixed (the released code); "both", the mean of the two losses.
    head: tokens [..., K] -> means and raw deviations [..., 2 F].
    candidates: "all" of the batch, the right one included; "window", those a few sequences and steps away.
    """

    def __init__(self, head: nn.Module, direction: str, candidates: str):
        super().__init__()
        self.direction, self.candidates = direction, candidates
        self.head = head

    def losses(self, state: Any, tokens: Tensor, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        mean, deviation = self.moments(tokens.flatten(0, 1))
        scores = normal_scores(state.flatten(0, 1), mean, deviation)
        batch, length = state.shape[:2]
        where = neighbours(batch, length, state.device) if self.candidates == "window" else None
        return {"infonce": infonce(scores, self.direction, where)}

    def moments(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of q(s | o), each [..., F]."""
        mean, deviation = self.head(tokens).chunk(2, dim=-1)
        return mean, functional.softplus(deviation + FIRST) + LEAST


def normal_scores(state: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """ln q(s_i | o_j) [N, M] but for its constant, of states [N, F] under normals [M, F], as one product.

    The square is taken apart, so the terms cancel: float32 is needed, and TF32 (torch's default has it off) not enough.
    """
    precision = deviation.square().reciprocal()
    fixed = -(0.5 * mean.square() * precision + deviation.log()).sum(-1)
    weights = torch.cat([-0.5 * precision, mean * precision], dim=-1)
    return torch.addmm(fixed, torch.cat([state.square(), state], dim=-1), weights.T)


def infonce(scores: Tensor, direction: str, where: Tensor | None = None) -> Tensor:
    """The loss [] of scores [N, N], whose diagonal are the right pairs; never below the bound's ln N - I.

    where: int64 [N, K], the candidates of each row or column, the right one among them; all where None.
    """
    right = torch.arange(len(scores), device=scores.device)
    if where is not None:
        right = (where == right[:, None]).int().argmax(1)
    losses = []
    for mine, other in (("over_obs", scores), ("over_states", scores.T)):
        if direction in (mine, "both"):
            losses.append(functional.cross_entropy(other if where is None else other.gather(1, where), right))
    return torch.stack(losses).mean()


def neighbours(batch: int, length: int, device: torch.device) -> Tensor:
    """int64 [B T, K]: for each state of B sequences of T, those shifted by -5 to 4 sequences and -15 to 14 steps, round
    and round; itself included, and each once where there are fewer."""
    shifts = [torch.arange(n, device=device) - n // 2 for n in map(min, (batch, length), WINDOW)]
    rows = (torch.arange(batch, device=device)[:, None] + shifts[0]) % batch  # [B, Kb]
    steps = (torch.arange(length, device=device)[:, None] + shifts[1]) % length  # [T, Kt]
    return (rows[:, None, :, None] * length + steps[None, :, None, :]).flatten(2).flatten(0, 1)
