"""CMA-ES as the published runs had it: constants, invariances, convergence, and a resume that forgets nothing."""

import numpy as np
import pytest

from bench.agents.world_models.evolution import Evolution


def minimise(function, size, evaluations, covariance="full", start=0.0, sigma=0.5, population=0, seed=1, goal=1e-10):
    """The least value of `function` at the mean, and the evaluations it took."""
    population = population or 4 + int(3 * np.log(size))
    evolution = Evolution(size, population, sigma, covariance, seed)
    least = np.inf
    for used in range(population, evaluations + 1, population):
        evolution.tell(-function(evolution.candidates.astype(float) + start))
        least = min(least, function(evolution.mean[None].astype(float) + start)[0])
        if least <= goal:
            return least, used
    return least, evaluations


def sphere(x):
    return np.square(x).sum(1)


def ellipsoid(x):
    return (np.square(x) * 1e6 ** (np.arange(x.shape[1]) / (x.shape[1] - 1))).sum(1)


def rotated(x):
    return ellipsoid(x @ np.linalg.qr(np.random.default_rng(0).normal(size=(x.shape[1],) * 2))[0])


def rosenbrock(x):
    return (100 * np.square(x[:, 1:] - np.square(x[:, :-1])) + np.square(1 - x[:, :-1])).sum(1)


# mu_eff and the constants of 64 candidates; c_sigma and c_mu are the package's, which departs in the third digit from
# Hansen's tutorial: 0.02206 and 0.01767, 4.1522e-5 and 2.6392e-5
@pytest.mark.parametrize(
    ("size", "values"),
    [
        (867, (17.62, 0.02211, 1.0221, 0.004616, 2.6527e-6, 4.2184e-5, 29.436)),
        (1088, (17.62, 0.01770, 1.0177, 0.003678, 1.6855e-6, 2.6813e-5, 32.977)),
    ],
)
def test_constants(size, values):
    es = Evolution(size, 64, 0.1, "full", 0).strategy
    step = es.adapt_sigma
    found = (es.sp.weights.mueff, step.cs, step.damps, es.sp.cc, es.sp.c1, es.sp.cmu, es.const.chiN)
    assert type(step).__name__ == "CMAAdaptSigmaCSA"
    assert found == pytest.approx(values, rel=4e-4)


# The bounds are Hansen's algorithm's on these functions, with room
@pytest.mark.parametrize(
    ("function", "size", "evaluations", "covariance", "start", "sigma"),
    [
        (sphere, 10, 2_500, "full", 1.0, 0.5),
        (rosenbrock, 10, 8_000, "full", 0.1, 0.1),
        (ellipsoid, 10, 7_000, "full", 1.0, 0.5),
        (sphere, 20, 4_000, "separable", 1.0, 0.5),
        (ellipsoid, 20, 9_000, "separable", 1.0, 0.5),
    ],
)
def test_convergence(function, size, evaluations, covariance, start, sigma):
    least, used = minimise(function, size, evaluations, covariance, start, sigma)
    assert least <= 1e-10, (least, used)


def test_a_diagonal_covariance_cannot_follow_a_rotated_ellipsoid():
    least, _ = minimise(rotated, 20, 9_000, "separable", 1.0)
    assert least > 1e-10


def test_the_published_size_improves_a_hundredfold_in_450_generations():
    least, _ = minimise(sphere, 867, 450 * 64, "separable", 1.0, 0.5, 64, goal=8.67)
    assert least <= 8.67


def trajectory(shape=lambda fitness: fitness, shift=0.0):
    evolution = Evolution(5, 8, 0.3, "separable", 3)
    for _ in range(30):
        evolution.tell(shape(-sphere(evolution.candidates.astype(float) - 1 + shift)))
    return evolution


def test_only_the_order_of_fitness_counts():
    plain = trajectory().mean
    for shape in (lambda fitness: fitness + 1000, lambda fitness: np.exp(fitness), lambda fitness: 1e-3 * fitness):
        assert np.array_equal(trajectory(shape).mean, plain)
    assert not np.array_equal(trajectory(lambda fitness: -fitness).mean, plain)


def test_it_climbs():
    """Packages minimise; fitness is told the right way up."""
    evolution = Evolution(2, 6, 0.3, "separable", 0)
    for _ in range(60):
        evolution.tell(evolution.candidates[:, 0].astype(float))
    assert evolution.mean[0] > 1


@pytest.mark.parametrize("covariance", ["separable", "full"])
def test_a_resume_forgets_nothing(covariance):
    def told(evolution, generations):
        for _ in range(generations):
            evolution.tell(-ellipsoid(evolution.candidates.astype(float) - 1))
        return evolution

    whole, half = (Evolution(6, 8, 0.3, covariance, 3) for _ in range(2))
    told(whole, 40)
    state = told(half, 25).state_dict()
    resumed = told(Evolution(6, 8, 0.3, covariance, 3), 2)
    resumed.load_state_dict(state)
    told(resumed, 15)
    assert np.array_equal(resumed.candidates, whole.candidates)
    assert np.array_equal(resumed.mean, whole.mean) and resumed.step_size == whole.step_size
    assert resumed.generation == 40
