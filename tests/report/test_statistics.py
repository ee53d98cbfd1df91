"""The statistics against numbers computed by hand, and the vectorised path against rliable on the same resamples."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from rliable import library, metrics

from bench.report import bootstrap, statistics

# Two tasks, four runs. Sorted: 0 .1 .2 .3 .4 .5 .6 1.5; a quarter (2) cut from each side leaves .2 .3 .4 .5.
MATRIX = np.array([[0.0, 0.4], [0.1, 0.5], [0.2, 0.6], [0.3, 1.5]])


def test_aggregates_by_hand():
    found = statistics.aggregates(MATRIX, runs=4, tasks=2)
    assert found["IQM"].value == pytest.approx(0.35)
    assert found["mean"].value == pytest.approx(3.6 / 8)
    assert found["median"].value == pytest.approx((0.15 + 0.75) / 2)
    assert found["optimality gap"].value == pytest.approx(1 - 3.1 / 8)  # 1.5 counts as 1
    for estimate in found.values():
        assert estimate.interval is not None
        assert estimate.interval.low < estimate.value < estimate.interval.high


def test_the_global_generator_is_given_back_and_does_not_matter():
    np.random.seed(5)
    first = statistics.aggregates(MATRIX, 4, 2)
    after = np.random.random()
    np.random.seed(5)
    assert np.random.random() == after
    assert statistics.aggregates(MATRIX, 4, 2) == first


def test_swapped_axes_and_holes_are_refused():
    with pytest.raises(ValueError, match="expected 4 runs x 2 tasks"):
        statistics.aggregates(MATRIX.T, runs=4, tasks=2)
    with pytest.raises(ValueError, match="complete"):
        statistics.aggregates(np.where(MATRIX > 1, np.nan, MATRIX), 4, 2)


def test_one_task_interval_is_rliables():
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    fast = statistics.mean(values)
    np.random.seed(bootstrap.SEED)
    _, slow = library.get_interval_estimates({"": np.array(values)[:, None]}, lambda x: np.array([x.mean()]), reps=2000)
    assert fast.interval == pytest.approx(tuple(slow[""][:, 0]), abs=1e-12)
    assert fast.value == pytest.approx(2.8)


@pytest.mark.parametrize(("runs", "tasks"), [(5, 26), (3, 7), (10, 1)])
def test_aggregates_and_profiles_are_rliables_on_the_same_resamples(runs: int, tasks: int):
    matrix = np.random.RandomState(runs).gamma(0.5, size=(runs, tasks)).round(1)  # skewed, with ties
    ours = statistics.aggregates(matrix, runs, tasks)
    functions = (
        metrics.aggregate_iqm,
        metrics.aggregate_median,
        metrics.aggregate_mean,
        metrics.aggregate_optimality_gap,
    )
    np.random.seed(bootstrap.SEED)
    points, bounds = library.get_interval_estimates(
        {"": matrix}, lambda scores: np.array([function(scores) for function in functions]), reps=2000
    )
    assert [one.value for one in ours.values()] == pytest.approx(points[""].tolist(), abs=1e-12)
    low, high = ([one.interval[end] for one in ours.values() if one.interval] for end in (0, 1))
    assert (low, high) == (pytest.approx(bounds[""][0], abs=1e-12), pytest.approx(bounds[""][1], abs=1e-12))

    levels = np.linspace(0, 2, 9)
    profile = statistics.profile(matrix, runs, tasks, levels)
    np.random.seed(bootstrap.SEED)
    fraction, band = library.create_performance_profile({"": matrix}, levels, reps=2000)
    assert profile.fraction == pytest.approx(fraction[""], abs=1e-12)
    assert profile.band is not None
    assert np.stack(profile.band) == pytest.approx(band[""], abs=1e-12)


@pytest.mark.parametrize("others", [3, 5])
def test_probability_of_improvement_is_rliables_on_the_same_resamples(others: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "REPS", 100)  # rliable takes 10 ms a resample of 26 tasks
    draw = np.random.RandomState(1)
    x, y = draw.normal(0.3, size=(4, 6)).round(1), draw.normal(size=(others, 6)).round(1)
    ours = statistics.improvement(x, y)
    np.random.seed(bootstrap.SEED)
    point, bounds = library.get_interval_estimates(
        {"": [x, y]}, lambda a, b: np.array([metrics.probability_of_improvement(a, b)]), reps=100
    )
    assert ours.value == pytest.approx(point[""][0], abs=1e-12)
    assert ours.interval == pytest.approx(tuple(bounds[""][:, 0]), abs=1e-12)
    assert statistics.improvement(x, x).value == pytest.approx(0.5)
    assert statistics.improvement(x[:2], y).interval is None
    with pytest.raises(ValueError, match="expected"):
        statistics.improvement(x, y[:, :5])


def test_two_thousand_resamples_of_5_by_26_take_under_a_second():
    """Processor time, so that a busy machine does not fail it; four aggregates against one of rliable's."""
    matrix = np.random.RandomState(0).normal(size=(5, 26))

    def seconds(call: Callable[[], object]) -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    ours = min(seconds(lambda: statistics.aggregates(matrix, 5, 26)) for _ in range(3))
    theirs = seconds(
        lambda: library.get_interval_estimates({"": matrix}, lambda s: np.array([metrics.aggregate_iqm(s)]), reps=2000)
    )
    assert ours < min(1, theirs)
    assert seconds(lambda: statistics.improvement(matrix, matrix + 0.1)) < 1


def test_fewer_than_three_runs_have_no_interval():
    assert statistics.mean([1.0, 2.0]) == (1.5, None)
    assert statistics.band(np.ones((2, 4))) is None
    assert all(estimate.interval is None for estimate in statistics.aggregates(MATRIX[:2], 2, 2).values())
    with pytest.raises(ValueError, match="finite"):
        statistics.mean([1.0, float("nan")])
    with pytest.raises(ValueError, match="finite"):
        statistics.mean([])


def test_band_is_the_interval_at_each_point():
    curves = np.array([[0.0, 3.0], [1.0, 1.0], [2.0, 4.0], [5.0, 1.0]])
    found = statistics.band(curves)
    assert found is not None
    for point in range(2):
        interval = statistics.mean(list(curves[:, point])).interval
        assert interval == pytest.approx((found[0][point], found[1][point]))


def test_the_interval_covers_as_promised():
    """About 90 % of nominal 95 % intervals hold the true mean of 10 normal runs, of 3 runs clearly fewer."""
    draw = np.random.RandomState(0)

    def covered(runs: int) -> float:
        hits = 0
        for _ in range(300):
            interval = statistics.mean(list(draw.normal(size=runs))).interval
            assert interval is not None
            hits += interval.low <= 0 <= interval.high
        return hits / 300

    assert covered(10) > 0.85
    assert covered(3) < covered(10)


def test_complete_says_what_it_left_out():
    found = statistics.complete({"a": {0: 1.0, 1: 2.0}, "b": {1: 3.0, 2: 4.0}, "c": {}})
    assert found is not None
    assert found.seeds == (1,)
    assert found.tasks == ("a", "b")
    assert found.matrix.tolist() == [[2.0, 3.0]]
    assert found.left_out == "left out: task c (no score); seed 0 (none on b); seed 2 (none on a)"
    assert statistics.complete({"a": {0: 1.0}}) is None
    assert statistics.complete({"a": {0: 1.0}, "b": {1: 1.0}}) is None
