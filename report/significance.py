"""Welch's test: are two means equal, where neither the deviations nor the numbers of runs are."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from bench.report.bootstrap import LEVEL
from bench.report.statistics import Interval


class Sample(NamedTuple):
    """Runs as their mean, deviation (ddof 1) and number."""

    mean: float
    std: float
    n: int


class Welch(NamedTuple):
    difference: float  # of the means, a - b
    interval: Interval  # LEVEL of it, by Student's t
    p: float  # two-sided, of no difference


def welch(a: Sample, b: Sample) -> Welch | None:
    """None where either side has fewer than two runs, or all runs of both sides are alike (there is no error to test
    against)."""
    if min(a.n, b.n) < 2:
        return None
    errors = np.array([a.std**2 / a.n, b.std**2 / b.n])
    if not errors.sum() > 0:
        return None
    error = math.sqrt(errors.sum())
    freedom = errors.sum() ** 2 / (errors**2 / np.array([a.n - 1, b.n - 1])).sum()
    difference = a.mean - b.mean
    reach = error * float(special.stdtrit(freedom, (1 + LEVEL) / 2))
    p = 2 * float(special.stdtr(freedom, -abs(difference) / error))
    return Welch(difference, Interval(difference - reach, difference + reach), p)
