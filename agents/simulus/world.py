"""The module M: embeddings, retention trunk, heads; its losses on replayed segments, its step in imagination."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench.agents.common.categorical import draw
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.heads import EndHead, Ensemble, TokenHead
from bench.agents.simulus.hlgauss import HLGauss
from bench.agents.simulus.tokenizers import Tokenizers
from bench.agents.simulus.trunk import Trunk

REWARD_SCALE = 100.0  # the reward's range is that of the return, a hundredth of it


class Segments(NamedTuple):
    """B segments of T decisions. A row's reward and end are what followed its action."""

    tokens: Tensor  # int64 [B, T, K]
    action: Tensor  # int64 [B, T, A]
    reward: Tensor  # float32 [B, T]
    terminated: Tensor  # bool [B, T]; false where no decision was taken
    there: Tensor  # bool [B, T]: the row belongs to the segment's episode; never again true after false


class Memory(NamedTuple):
    """What imagination carries: blocks before the pending observation are in `state`, it is not."""

    state: Tensor  # [B, layers, h, e, e]
    tokens: Tensor  # int64 [B, K]: the pending observation
    position: int | Tensor  # its first token's number; an int, or [B]


class Imagined(NamedTuple):
    """What one imagined action leads to, for B dreams."""

    memory: Memory
    reward: Tensor  # [B]: expected
    end: Tensor  # [B]: probability
    feature: Tensor  # y [B, K, d]


class World(nn.Module):
    def __init__(self, config: SimulusConfig, tokenizers: Tokenizers):
        super().__init__()
        layout, d = tokenizers.layout, config.width
        self.layout, self.context, self.end_shift = layout, config.context, config.end_shift
        self.members = config.members
        self.trunk = Trunk(
            config.layers, config.heads, d, layout.observed, layout.acted,
            (config.memory_min, config.memory_max), config.dropout,
        )  # fmt: skip
        self.embed_action = nn.Embedding(tokenizers.choices, d)
        self.embed_vector = nn.Embedding(tokenizers.words["vector"], d) if layout.numbers else None
        if self.embed_vector is not None:
            self.embed_vector.weight.data.mul_(config.embedding_scale)
        self.token_heads = nn.ModuleDict({name: TokenHead(d, words) for name, words in tokenizers.words.items()})
        self.ensembles = nn.ModuleDict(
            {name: Ensemble(d, words, config.members) for name, words in tokenizers.words.items()}
        )
        self.reward_trunk = nn.Sequential(nn.Linear(d, 2 * d), nn.SiLU())
        self.reward = HLGauss(2 * d, REWARD_SCALE)
        self.end = EndHead(d)

    def embedded(self, tokens: Tensor, codes: Tensor | None) -> Tensor:
        """[..., K, d] of observed tokens [..., K]; an image's are its code vectors."""
        parts = self.layout.split(tokens)
        found = [] if codes is None else [codes[parts["image"]]]
        if self.embed_vector is not None:
            found.append(self.embed_vector(parts["vector"]))
        return torch.cat(found, dim=-2)

    def blocks(self, tokens: Tensor, action: Tensor, codes: Tensor | None) -> Tensor:
        """[..., K + A, d]."""
        return torch.cat([self.embedded(tokens, codes), self.embed_action(action)], dim=-2)

    def reward_logits(self, y: Tensor) -> Tensor:
        return self.reward(self.reward_trunk(y[..., -1, :]))

    def losses(
        self, segments: Segments, codes: Tensor | None, generator: Generator | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The terms to sum, 0-d, and each segment's priority [B]: its mean token and reward errors."""
        batch, steps = segments.reward.shape
        blocks = self.blocks(segments.tokens, segments.action, codes)
        y, _ = self.trunk(blocks, self.trunk.initial(batch), generator=generator)

        known = segments.there.clone()  # predictions that count, by time
        known[:, : self.context] = False
        count = known.sum().clamp(min=1) * self.layout.observed
        token, curious = y.new_zeros(batch, steps), y.new_zeros(())
        targets, shares = self.layout.split(segments.tokens), (self.members, batch // self.members)
        for name, part in self.layout.split(y, dim=2).items():
            target = targets[name]
            token = token + _cross_entropy(self.token_heads[name](part), target).sum(-1)
            own = self.ensembles[name](part.detach().unflatten(0, shares).flatten(1, 3))  # each, its own
            error = _cross_entropy(own, target.unflatten(0, shares).flatten(1))
            curious = curious + (error.view(batch, steps, -1).sum(-1) * known).sum()

        happened = segments.there[:, :-1] & segments.there[:, 1:]
        reward = self.reward.loss(self.reward_logits(y[:, 1:]), segments.reward[:, :-1]) * happened
        if self.end_shift:
            end, at = _cross_entropy(self.end(y[:, 1:, -1]), segments.terminated[:, :-1].long()), happened
        else:
            end, at = _cross_entropy(self.end(y[:, :, -1]), segments.terminated.long()), segments.there
        token = token * known
        priority = token.sum(1) / (known.sum(1).clamp(min=1) * self.layout.observed)
        priority = priority + reward.sum(1) / happened.sum(1).clamp(min=1)
        terms = {
            "token": token.sum() / count,
            "reward": reward.sum() / happened.sum().clamp(min=1),
            "end": (end * at).sum() / at.sum().clamp(min=1),
            "curiosity": curious / count,
        }
        return terms, priority.detach()

    # Imagination

    def begin(self, tokens: Tensor, action: Tensor, codes: Tensor | None) -> Memory:
        """After observations [B, C, K] and the actions between them [B, C - 1, A]; the last observation is pending."""
        state, earlier = self.trunk.initial(len(tokens)), action.shape[1]
        if earlier:
            x = self.blocks(tokens[:, :-1], action, codes).flatten(1, 2)
            state = self.trunk.consume(x, state, 0)
        return Memory(state, tokens[:, -1], earlier * self.trunk.block)

    def act(self, memory: Memory, action: Tensor, codes: Tensor | None) -> tuple[Tensor, Tensor, int | Tensor]:
        """Consume the pending observation and the action [B, A] on it, and predict: y [B, K, d], the state and the
        number of the next token. Two calls of the trunk."""
        x = self.blocks(memory.tokens, action, codes)
        state = self.trunk.consume(x, memory.state, memory.position)
        position = memory.position + self.trunk.block
        return self.trunk.predict(state, position), state, position

    def imagine(self, memory: Memory, action: Tensor, codes: Tensor | None, generator: Generator | None) -> Imagined:
        """What the action [B, A] leads to. Every token is drawn by itself; without a generator it is the likeliest."""
        y, state, position = self.act(memory, action, codes)
        drawn = []
        for name, part in self.layout.split(y, dim=1).items():
            probabilities = self.token_heads[name](part).softmax(-1)
            drawn.append(draw(probabilities, _uniform(probabilities.shape[:-1], generator)))
        reward = self.reward.mean(self.reward_logits(y))
        end = self.end(y[:, -1]).softmax(-1)[:, 1]
        return Imagined(Memory(state, torch.cat(drawn, dim=1), position), reward, end, y)

    def disagreement(self, y: Tensor) -> Tensor:
        """The intrinsic reward [B] of predictions y [B, K, d]: each modality's mean over slots, summed; nats."""
        parts = self.layout.split(y, dim=1)
        means = [self.ensembles[name].disagreement(part).mean(1) for name, part in parts.items()]  # type: ignore[operator]
        return torch.stack(means).sum(0)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """[...] of logits [..., V] and int64 targets [...]."""
    return functional.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none").view(target.shape)


def _uniform(shape: torch.Size, generator: Generator | None) -> Tensor | None:
    return None if generator is None else torch.rand(shape, generator=generator, device=generator.device)
