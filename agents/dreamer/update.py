"""The losses of one update in order: world model, imagination, returns, actor, critic, critic on replayed steps."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.agents.api import Task
from bench.agents.common.categorical import divergence, entropy
from bench.agents.common.percentiles import percentiles
from bench.agents.common.returns import lambda_returns
from bench.agents.dreamer.actor import Actor, action_size
from bench.agents.dreamer.config import DreamerConfig
from bench.agents.dreamer.networks import Continue, Encoder, Scalar
from bench.agents.dreamer.representation import representation
from bench.agents.dreamer.rssm import RSSM, Latent


class Batch(NamedTuple):
    """B sequences of T steps. Reward and flags are those of arriving at a step's observation."""

    before: Latent  # the stored state of the step before the sequence, [B, ...]
    observation: dict[str, Tensor]  # each [B, T, ...]
    action: Tensor  # float32 [B, T, A]: the one before each observation, one-hot where discrete
    reward: Tensor  # float32 [B, T]
    first: Tensor  # bool [B, T]: a new episode
    last: Tensor  # bool [B, T]: the episode's last observation, for any reason
    terminal: Tensor  # bool [B, T]: and the environment ended it


class Imagined(NamedTuple):
    """Trajectories of H decisions from N states; nothing in them carries gradients."""

    feature: Tensor  # [H + 1, N, F]
    action: Tensor  # [H, N, A]


class Networks(nn.Module):
    def __init__(self, config: DreamerConfig, task: Task):
        super().__init__()
        self.encoder = Encoder(config, task)
        self.rssm = RSSM(config, action_size(task), self.encoder.size)
        self.representation = representation(config, task, self.encoder.size)
        self.reward = Scalar(config, 1)
        self.going_on = Continue(config)
        self.actor = Actor(config, task)
        self.value = Scalar(config, 3)


class ReturnScale:
    """S = max(1, P95 - P5) of imagined returns, each percentile a moving average that starts at 0."""

    def __init__(self, rate: float, device: str):
        self.rate, self.percentiles = rate, torch.zeros(2, device=device)

    def update(self, returns: Tensor) -> Tensor:
        """Take in returns [...] and give S, 0-d."""
        self.percentiles.lerp_(percentiles(returns, 0.05, 0.95), self.rate)
        return (self.percentiles[1] - self.percentiles[0]).clamp(min=1)


def kl_losses(posterior: Tensor, prior: Tensor, free_nats: float) -> tuple[Tensor, Tensor]:
    """dyn and rep [...] of probabilities [..., Z, C]: one trains the prior, the other the posterior, neither below
    the free nats."""
    dyn = divergence(posterior.detach(), prior).sum(-1)
    rep = divergence(posterior, prior.detach()).sum(-1)
    return dyn.clamp(min=free_nats), rep.clamp(min=free_nats)


def imagine(networks: Networks, start: Latent, horizon: int, generator: torch.Generator) -> Imagined:
    """Follow the policy and the prior from states [N, ...]."""
    rssm, actor = networks.rssm, networks.actor
    count = start.deter.shape[0]
    acting = actor.noise((horizon, count), generator)
    dreaming = torch.rand(horizon, count, rssm.shape[0], generator=generator, device=generator.device)
    state, features, actions, weights = start, [start.feature], [], rssm.weights()
    for k in range(horizon):
        actions.append(actor.sample(actor(features[-1]), acting[k]))
        state = rssm.dream(state, actions[-1], dreaming[k], weights)
        features.append(state.feature)
    return Imagined(torch.stack(features), torch.stack(actions))


def replay_returns(batch: Batch, bootstrap: Tensor, discount: float, lambda_: float) -> Tensor:
    """R_t [B, T-1] along the replayed steps, from imagined returns `bootstrap` [B, T]. Ends cut lambda to 0, so that
    what follows an end never enters; terminations cut the discount."""
    going_on = discount * (~batch.terminal[:, 1:]).float()
    mix = lambda_ * (~batch.last[:, 1:]).float()
    return lambda_returns(batch.reward[:, 1:], bootstrap[:, 1:], going_on, mix, bootstrap[:, -1])


def losses(
    networks: Networks,
    slow: Scalar,
    scale: ReturnScale,
    config: DreamerConfig,
    batch: Batch,
    generator: torch.Generator,
) -> tuple[Tensor, Latent, dict[str, Tensor]]:
    """The sum to minimise, the new states [B, T, ...] and what to report, 0-d tensors."""
    rssm, shape = networks.rssm, batch.reward.shape
    discount = 1 - 1 / config.horizon

    # World model
    tokens = networks.encoder(batch.observation)
    noise = torch.rand(*shape, config.latents, generator=generator, device=generator.device)
    states, posterior = rssm.infer(batch.before, tokens, batch.action, batch.first, noise)
    prior = rssm.prior(states.deter)
    feature = states.feature
    dyn, rep = kl_losses(posterior, prior, config.free_nats)
    told = networks.representation.losses(states, tokens, batch.observation)
    reward = networks.reward.distribution.loss(networks.reward(feature), batch.reward)
    going_on = networks.going_on.loss(networks.going_on(feature), discount * (~batch.terminal).float())

    # Imagination from the last K states, and lambda-returns: entry k holds what follows state k
    latest = slice(-config.starts, None)  # of every window; 0 is all of it
    with torch.no_grad():
        start = Latent(*(x.detach()[:, latest].flatten(0, 1) for x in states))
        dream = imagine(networks, start, config.imagination, generator)
        goes_on = torch.sigmoid(networks.going_on(dream.feature))  # the discount is folded in
        rewards = networks.reward.mean(dream.feature[1:])
        last_value = networks.value.mean(dream.feature[-1])
    values = networks.value(dream.feature[:-1])
    with torch.no_grad():
        value = torch.cat([networks.value.distribution.mean(values), last_value[None]])
        returns = lambda_returns(rewards.T, value[1:].T, goes_on[1:].T, config.lambda_, last_value).T
        weight = goes_on[:-1].cumprod(0)
        spread = scale.update(returns)
        advantage = (returns - value[:-1]) / spread

    # Actor and critic, [H, N]
    policy = networks.actor(dream.feature[:-1])
    randomness = networks.actor.entropy(policy)
    logprob = networks.actor.logprob(policy, dream.action)
    actor = weight * -(logprob * advantage + config.entropy_scale * randomness)
    critic = weight * critic_losses(networks.value, slow, dream.feature[:-1], values, returns)

    # Critic on those replayed steps: its gradient reaches the world model
    bootstrap = returns[0].unflatten(0, (shape[0], -1))
    replayed = batch._replace(**{name: getattr(batch, name)[:, latest] for name in ("reward", "last", "terminal")})
    target = replay_returns(replayed, bootstrap, discount, config.lambda_)
    passed = feature[:, latest][:, :-1]
    replay_critic = critic_losses(networks.value, slow, passed, networks.value(passed), target)
    replay_critic = replay_critic * (~replayed.last[:, :-1]).float()

    terms = {
        "dyn": config.dyn_scale * dyn.mean(),
        "rep": config.rep_scale * rep.mean(),
        **told,
        "reward": reward.mean(),
        "continue": going_on.mean(),
        "actor": actor.mean(),
        "critic": critic.mean(),
        "replay_critic": config.replay_value_scale * replay_critic.mean(),
    }
    with torch.no_grad():
        report = {
            **{f"loss_{name}": term.detach() for name, term in terms.items()},
            "kl": divergence(posterior, prior).sum(-1).mean(),
            "prior_entropy": entropy(prior.log()).sum(-1).mean(),
            "posterior_entropy": entropy(posterior.log()).sum(-1).mean(),
            "policy_entropy": randomness.mean(),
            "return": returns.mean(),
            "return_scale": spread,
            "value": value.mean(),
        }
    return torch.stack(list(terms.values())).sum(), Latent(*(x.detach() for x in states)), report


def critic_losses(value: Scalar, slow: Scalar, feature: Tensor, logits: Tensor, returns: Tensor) -> Tensor:
    """[...]: cross-entropy of the critic's logits with the returns, and with what the slow critic predicts."""
    with torch.no_grad():
        regulariser = slow.mean(feature)
    return value.distribution.loss(logits, returns, regulariser)
