"""The controller's losses: dreams in the world model, lambda-returns, REINFORCE with a baseline."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from bench.agents.api import State
from bench.agents.common.percentiles import percentiles
from bench.agents.common.returns import lambda_returns
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.controller import Controller, log_probability, mean_entropy, sampled
from bench.agents.simulus.tokenizers import Tokenizers
from bench.agents.simulus.world import World

LOW, HIGH = 0.025, 0.975  # quantiles of the returns, whose distance scales the advantages
BATCHES = 501  # whose returns they are taken over: the last 500 and the newest


class Contexts(NamedTuple):
    """N segments of L = burn-in + context rows that end where a dream begins."""

    tokens: Tensor  # int64 [N, L, K]
    action: Tensor  # int64 [N, L] or float32 [N, L, A]; that of the last row plays no part
    there: Tensor  # bool [N, L]: the row belongs to the last row's episode


class Dreams(NamedTuple):
    """N dreams of H decisions, time first."""

    logprob: Tensor  # [H, N]: of the actions taken
    entropy: Tensor  # [H + 1, N]
    value: Tensor  # [H + 1, N, bins]: logits
    reward: Tensor  # [H, N]: extrinsic and intrinsic
    end: Tensor  # bool [H, N]
    intrinsic: Tensor  # [H, N]


class ReturnScale:
    """max(1, half the distance from the 2.5 % to the 97.5 % quantile) of the last batches' returns, pooled."""

    def __init__(self, size: int, device: str):
        """`size`: returns per batch."""
        self.returns = torch.zeros(BATCHES, size, device=device)
        self.row = torch.zeros(1, dtype=torch.int64, device=device)  # of the newest batch
        self.count = 0  # batches so far

    def turn(self) -> int:
        """Another batch comes: how many are held then. The host's part of `update`."""
        self.row.fill_(self.count % BATCHES)
        self.count += 1
        return min(self.count, BATCHES)

    def update(self, returns: Tensor, held: int) -> Tensor:
        """Take in a batch's returns, one of `held`, and give the scale, 0-d."""
        self.returns.index_copy_(0, self.row, returns.reshape(1, -1))
        low, high = percentiles(self.returns[:held], LOW, HIGH)
        return (0.5 * (high - low)).clamp(min=1)

    def state_dict(self) -> State:
        return {"returns": self.returns[: self.count].clone(), "count": self.count}

    def load_state_dict(self, state: State) -> None:
        self.count = state["count"]
        self.returns[: self.count] = state["returns"].to(self.returns)


@torch.no_grad()
def warmed(controller: Controller, contexts: Contexts, codes: Tensor | None, actions: bool) -> Tensor:
    """The LSTM's state before it sees the last row; rows of other episodes change nothing. `actions`: see them too."""
    batch, length = contexts.there.shape
    shown = controller.shown(contexts.tokens[:, :-1].flatten(0, 1), codes)
    encoded = [body.encoded(shown).unflatten(0, (batch, length - 1)) for body in controller.bodies]  # type: ignore[operator]
    state = controller.initial(batch)
    for t in range(length - 1):
        new = controller.step([part[:, t] for part in encoded], state)
        if actions:
            new = controller.do(contexts.action[:, t], new)
        state = torch.where(contexts.there[:, t, None, None, None], new, state)
    return state


def dream(
    world: World,
    controller: Controller,
    tokenizers: Tokenizers,
    config: SimulusConfig,
    contexts: Contexts,
    intrinsic: float,
    generator: Generator,
) -> Dreams:
    """Roll out from the contexts. Gradients run through the LSTM and never through the world model."""
    codes, offset = tokenizers.codes, 0 if config.aligned_context else 1
    length = contexts.there.shape[1]
    known = slice(length - offset - config.context, length - offset)
    between = tokenizers.acted(contexts.action[:, known][:, :-1])
    with torch.no_grad():
        memory = world.begin(contexts.tokens[:, known], between, codes)
    state, tokens = warmed(controller, contexts, codes, config.burn_in_actions), contexts.tokens[:, -1]
    logprob, entropy, value, reward, end, curious = [], [], [], [], [], []
    for k in range(config.length - config.context + 1):
        state = controller.see(tokens, codes, state)
        decision = controller.decide(state)
        entropy.append(mean_entropy(decision))
        value.append(decision.value)
        if k == config.length - config.context:
            break
        action = sampled(decision, generator)
        logprob.append(log_probability(decision, action))
        with torch.no_grad():
            next_ = world.imagine(memory, action, codes, generator)
            curious.append(world.disagreement(next_.feature))
            reward.append(config.extrinsic * next_.reward + intrinsic * curious[-1])
            end.append(torch.rand(next_.end.shape, generator=generator, device=generator.device) < next_.end)
        state = controller.do(tokenizers.chosen(action), state)
        memory, tokens = next_.memory, next_.memory.tokens
    return Dreams(*(torch.stack(part) for part in (logprob, entropy, value, reward, end, curious)))


def losses(
    dreams: Dreams, controller: Controller, scale: ReturnScale, held: int, config: SimulusConfig
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The terms to sum, and what to report besides; all 0-d."""
    with torch.no_grad():
        value = controller.critic.mean(dreams.value)
        going_on = config.discount * (~dreams.end).float()
        returns = lambda_returns(dreams.reward.T, value[1:].T, going_on.T, config.lambda_, value[-1]).T
        spread = scale.update(returns, held)
        advantage = (returns - value[:-1]) / spread
    terms = {
        "actor": -(dreams.logprob * advantage).mean(),
        "entropy": -config.entropy_scale * dreams.entropy.mean(),
        "critic": controller.critic.loss(dreams.value[:-1], returns).mean(),
    }
    report = {
        "policy_entropy": dreams.entropy.detach().mean(),
        "return": returns.mean(),
        "return_scale": spread,
        "value": value.mean(),
        "dream_reward": dreams.reward.mean(),
        "intrinsic_reward": dreams.intrinsic.mean(),
        "dream_end": dreams.end.float().mean(),
        "returns_outside": controller.critic.outside(returns).float(),
    }
    return terms, report
