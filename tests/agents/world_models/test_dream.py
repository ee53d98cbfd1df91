"""Dreams: the batch equals one member after another; the dead stay out; a controller evolves in one."""

import numpy as np
import torch

from bench.agents.common.capture import Capture
from bench.agents.common.hostsync import no_host_sync
from bench.agents.world_models.controller import Controller
from bench.agents.world_models.dream import Dream, Dreamer
from bench.agents.world_models.evolution import Evolution
from bench.agents.world_models.mdn_rnn import MDNRNN, Mixture, Prediction, Recurrent
from bench.tests.agents.world_models.subjects import generator

P, R, STEPS = 4, 3, 40


def dreamer(end: float = -0.8, reward: str = "alive") -> Dreamer:
    """Of a random M in float64 that ends episodes the sooner the larger `end` is."""
    torch.manual_seed(0)
    net = MDNRNN(3, 2, 8, 4, end=True, reward=reward).double()
    with torch.no_grad():
        net.head.weight *= 3
        net.head.weight[0] = 3 * torch.randn(8, generator=generator(3))
        net.head.bias[0] = end
    return Dreamer(net, Controller(11, 2), "zh", "box", 0, reward, 1.2, Capture("cpu"))


def begun(made: Dreamer, candidates: torch.Tensor | None = None) -> Dream:
    if candidates is None:
        candidates = torch.randn(P, made.controller.size, dtype=torch.float64, generator=generator(1))
    start = torch.randn(2, 6, 3, dtype=torch.float64, generator=generator(2)).unbind(0)
    return Dream(made, candidates, start, 5, STEPS, R)


def one_by_one(made: Dreamer, dream: Dream) -> np.ndarray:
    """Returns [P, R] in plain loops, from the dream's first z and the noise its generator will draw."""
    net = made.net
    noise = [
        [
            torch.rand(R, net.mixtures, net.latent, generator=dream.generator, dtype=torch.float64).clamp_(
                1e-10, 1 - 1e-7
            ),
            torch.randn(R, net.latent, generator=dream.generator, dtype=torch.float64),
        ]
        for _ in range(STEPS)
    ]
    returns = np.zeros((P, R))
    for candidate in range(P):
        for rollout in range(R):
            z, state = dream.z[[candidate * R + rollout]], net.initial(1)
            for at, (uniform, normal) in enumerate(noise):
                flat = dream.candidates[candidate]
                bias, weight = flat[:2], flat[2:].view(11, 2)
                action = torch.tanh(torch.cat([z, state.h], dim=1) @ weight + bias)
                state = net.step(torch.cat([z, action, torch.full((1, 1), float(at == 0)).double()], dim=1), state)
                ahead = net.predict(state.h)
                returns[candidate, rollout] += 1
                if ahead.end.item() > 0:
                    break
                k = (ahead.z.logits[0] / 1.2 - torch.log(-torch.log(uniform[rollout]))).argmax(0, keepdim=True)
                mean, log_sd = (part[0].gather(0, k)[0] for part in (ahead.z.mean, ahead.z.log_sd))
                z = (mean + log_sd.exp() * 1.2**0.5 * normal[rollout])[None]
    return returns


def test_the_batch_is_what_one_after_another_gives_and_the_dead_stay_out():
    made = dreamer()
    with torch.no_grad():
        expected = one_by_one(made, begun(made))
    dream = begun(made)
    widths = set()
    while not dream.over:
        dream.advance(3)
        widths.add((len(dream.candidates), dream.width))
    assert np.array_equal(dream.returns.numpy(), expected)
    assert len(np.unique(expected)) > 3 and expected.min() < STEPS  # some die, at different times
    assert len(widths) > 1  # members were dropped


def test_dropping_members_changes_nothing():
    made = dreamer(reward="linear")
    dropped, whole = begun(made), begun(made)
    whole.compact = lambda: None
    for dream in (dropped, whole):
        while not dream.over:
            dream.advance(2)
    torch.testing.assert_close(dropped.returns, whole.returns, atol=1e-12, rtol=0)
    assert len(dropped.alive) < len(whole.alive)


def test_a_step_waits_for_nothing():
    dream = begun(dreamer())
    with torch.no_grad(), no_host_sync():
        dream.step()


def test_a_dream_goes_on_from_its_state():
    whole, half = begun(dreamer()), begun(dreamer())
    whole.advance(20)
    half.advance(10)
    resumed = begun(dreamer())
    resumed.load_state_dict(half.state_dict())
    resumed.advance(10)
    assert torch.equal(resumed.z, whole.z) and torch.equal(resumed.returns, whole.returns)


def test_tiles_pay_what_the_data_say_and_leaving_the_field_costs():
    made = dreamer(reward="tiles")
    made.unit.fill_(3.5)
    outputs = torch.tensor([[50.0, 0, 0, 0], [0, 0, 50, 0], [50, 0, 0, 0]])
    paid = made.rewards(outputs, torch.tensor([False, False, True]))
    torch.testing.assert_close(paid, torch.tensor([-0.1, 6.9, -100]))


class Still(MDNRNN):
    """Dreams that the first number of z comes from where the action puts it."""

    def step(self, inputs, state):
        return Recurrent(inputs[:, :2].clone(), state.c)

    def predict(self, h):
        moved = torch.stack([h[:, 0], h[:, 0] + 0.2 * h[:, 1]], dim=1)[:, None]
        same = Mixture(torch.zeros_like(moved[:, :, :1]), moved[:, :, 1:], torch.full_like(moved[:, :, :1], -7))
        return Prediction(same, None, -(moved[:, 0, 1:] - 0.5).abs())


def test_a_controller_evolves_in_a_dream():
    """One number that the action moves; the nearer to a half, the better."""
    net = Still(1, 1, 2, 1, end=False, reward="linear")
    made = Dreamer(net, Controller(1, 1), "z", "box", 0, "linear", 1.0, Capture("cpu"))
    evolution = Evolution(2, 16, 0.1, "separable", 0)
    start = (torch.linspace(-1, 1, 9)[:, None], torch.full((9, 1), -14.0))
    fitness = []
    for generation in range(40):
        dream = Dream(made, torch.from_numpy(evolution.candidates), start, generation, 20, 4)
        while not dream.over:
            dream.advance(20)
        fitness.append(dream.returns.mean().item())
        evolution.tell(dream.returns.mean(1).double().numpy())
    assert np.mean(fitness[-5:]) > 0.5 * np.mean(fitness[:5])  # returns are negative: lost at most half as much
