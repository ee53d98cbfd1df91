"""The planner on returns whose best sequence is known, and its promises one by one."""

import math
from dataclasses import replace

import pytest
import torch

from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.planner import Search, search, shifted

MPPI = Search(iterations=6, samples=512, elites=64, temperature=0.5, std_min=0.05, std_max=2.0)
CEM = Search(iterations=10, samples=1000, elites=100, temperature=0.0, std_min=1e-3, std_max=1.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quadratic(best: torch.Tensor):
    """Minus the squared distance to `best` [E, H, A], summed over steps and dimensions."""
    return lambda candidates: -(candidates - best[:, :, None]).square().sum((1, 3))


def uniform(seed: int, *shape: int, limit: float = 1.0) -> torch.Tensor:
    return (2 * torch.rand(*shape, generator=generator(seed)) - 1) * limit


@pytest.mark.parametrize(("size", "error"), [(1, 0.02), (2, 0.03), (6, 0.15)])
def test_mppi_finds_the_best_sequence_in_every_environment_of_a_batch(size, error):
    best = uniform(1, 40, 3, size, limit=0.8)
    plan = search(quadratic(best), torch.zeros_like(best), uniform(2, 40, 3, 24, size), MPPI, generator())
    assert (plan.mean - best).abs().max() < error


def test_mppi_in_a_batch_is_mppi_in_each_environment(monkeypatch):
    """All chance is given from outside: the same noise for an environment alone and among others."""
    best, warm, proposals = uniform(1, 5, 3, 2), uniform(2, 5, 3, 2), uniform(3, 5, 3, 8, 2)
    noise = torch.randn(6, 5, 3, MPPI.samples - 8, 2, generator=generator(4))

    def plan(envs: slice):
        drawn = iter(noise[:, envs])
        monkeypatch.setattr(torch, "randn", lambda *shape, generator, device: next(drawn))
        return search(quadratic(best[envs]), warm[envs], proposals[envs], MPPI, generator())

    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, generator: self.fill_(1.0))
    together = plan(slice(0, 5))
    for env in range(5):
        for one, all_ in zip(plan(slice(env, env + 1)), together, strict=True):
            assert torch.allclose(one[0], all_[env], atol=1e-6)


@pytest.mark.parametrize(("size", "error"), [(1, 0.01), (2, 0.03)])
def test_cem_finds_the_best_first_action(size, error):
    best = torch.full((20, 12, size), 0.3)

    def distance(candidates: torch.Tensor) -> torch.Tensor:
        return -(candidates - best[:, :, None]).norm(dim=3).sum(1)

    none = best.new_zeros(20, 12, 0, size)
    plan = search(distance, torch.zeros_like(best), none, CEM, generator())
    assert (plan.mean[:, 0] - 0.3).abs().max() < error


def test_the_deviation_of_cem_shrinks_in_every_iteration():
    best = torch.full((1, 12, 1), 0.3)
    deviations = [
        float(search(quadratic(best), best * 0, best.new_zeros(1, 12, 0, 1), replace(CEM, iterations=i), generator())
              .std.mean())
        for i in range(1, 11)
    ]  # fmt: skip
    assert deviations == sorted(deviations, reverse=True)
    assert deviations[0] == pytest.approx(0.57, abs=0.15)
    assert deviations[-1] < 0.05


def test_the_refit_is_the_weighted_mean_and_deviation_of_the_elites():
    """Against the same in plain words, for one iteration of one environment."""
    settings = replace(MPPI, iterations=1, samples=32, elites=5)
    best, proposals, seen = uniform(1, 1, 3, 2), uniform(2, 1, 3, 4, 2), []

    def returns(candidates: torch.Tensor) -> torch.Tensor:
        seen.append(candidates.clone())
        return quadratic(best)(candidates)

    plan = search(returns, torch.zeros(1, 3, 2), proposals, settings, generator())
    (candidates,) = seen
    value = quadratic(best)(candidates)[0]
    elite = sorted(range(32), key=lambda n: -value[n])[:5]
    raw = torch.stack([(0.5 * (value[n] - value.max())).exp() for n in elite])
    weight = raw / raw.sum()
    mean = sum(w * candidates[0, :, n] for w, n in zip(weight, elite, strict=True))
    variance = sum(w * (candidates[0, :, n] - mean) ** 2 for w, n in zip(weight, elite, strict=True))
    assert torch.allclose(plan.mean[0], mean, atol=1e-6)
    assert torch.allclose(plan.std[0], variance.sqrt().clamp(0.05, 2), atol=1e-6)
    assert any(torch.equal(plan.action[0], candidates[0, 0, n]) for n in elite)


def test_proposals_stay_candidates_and_all_stay_in_bounds():
    proposals, seen = uniform(2, 2, 3, 24, 2), []

    def returns(candidates: torch.Tensor) -> torch.Tensor:
        seen.append(candidates.clone())
        return candidates.sum((1, 3))

    search(returns, torch.zeros(2, 3, 2), proposals, MPPI, generator())
    assert len(seen) == MPPI.iterations
    for candidates in seen:
        assert torch.equal(candidates[:, :, -24:], proposals)
        assert candidates.abs().max() <= 1
    assert not torch.equal(seen[0], seen[1])


def test_a_return_that_is_no_number_counts_as_zero_before_the_ranking():
    """Half of the candidates score NaN, the others -1: the elites are among the first."""

    def returns(candidates: torch.Tensor) -> torch.Tensor:
        return torch.where(candidates[:, 0, :, 0] > 0, torch.nan, -1.0)

    plan = search(returns, torch.zeros(4, 3, 1), torch.zeros(4, 3, 0, 1), MPPI, generator())
    assert plan.mean.isfinite().all()
    assert (plan.action > 0).all()


@pytest.mark.parametrize(("constant", "deviation"), [(True, 0.05), (False, 2.0)])
def test_the_deviation_keeps_its_limits(constant, deviation):
    """All elites equal, or half of them at each bound of [-2, 2] (the limit is on what a caller's space may be)."""
    settings = replace(MPPI, iterations=1, samples=64, std_max=2.0 if constant else 0.9)
    proposals = (
        torch.ones(1, 3, 64, 1) if constant else torch.tensor([1.0, -1.0]).repeat(32).expand(1, 3, 64)[..., None]
    )
    plan = search(lambda c: c.new_zeros(1, 64), torch.zeros(1, 3, 1), proposals, settings, generator())
    assert torch.allclose(plan.std, torch.full((1, 3, 1), min(deviation, settings.std_max)))


def test_the_warm_start_moves_up_and_is_forgotten_at_a_beginning():
    mean = uniform(0, 2, 3, 2)
    warm = shifted(mean, torch.tensor([False, True]))
    assert torch.equal(warm[0, :2], mean[0, 1:])
    assert torch.equal(warm[0, 2], torch.zeros(2))
    assert torch.equal(warm[1], torch.zeros(3, 2))


def test_the_search_begins_at_the_warm_start():
    """Without any preference the first Gaussian is centred on it: mean over environments of clipped draws."""
    warm, seen = torch.full((8, 3, 1), 0.5), []
    settings = replace(MPPI, iterations=1, std_max=0.1)
    search(lambda c: seen.append(c.clone()) or c.sum((1, 3)), warm, torch.zeros(8, 3, 0, 1), settings, generator())
    assert float(seen[0].mean()) == pytest.approx(0.5, abs=0.01)
    assert float(seen[0].std()) == pytest.approx(0.1, abs=0.01)


def test_elites_are_drawn_by_their_weight():
    """Two elites whose returns differ by 2: odds of exp(0.5 * 2) to 1."""
    proposals = torch.tensor([1.0, -1.0]).expand(4000, 1, 2)[..., None]
    settings = replace(MPPI, iterations=1, samples=2, elites=2)
    plan = search(lambda c: c[:, 0, :, 0], torch.zeros(4000, 1, 1), proposals, settings, generator())
    assert float((plan.action > 0).float().mean()) == pytest.approx(math.e / (1 + math.e), abs=0.03)


def test_the_search_never_waits_for_the_device():
    with no_host_sync():
        search(quadratic(uniform(1, 2, 3, 2)), torch.zeros(2, 3, 2), torch.zeros(2, 3, 4, 2), MPPI, generator())
        shifted(torch.zeros(2, 3, 2), torch.tensor([True, False]))
