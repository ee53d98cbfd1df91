"""The dream gap: what the same controllers are worth in M's dream and in the task."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def numbers(dreamt: np.ndarray, played: np.ndarray) -> dict[str, float]:
    """Mean returns of one population's P candidates and Spearman's rank correlation between them.

    dreamt: [P + 1], each a mean over its dreams, the last the distribution's mean, which belongs to no population.
    played: [P, R], nan where an episode was not played to its end. Only those of the R that all candidates have played
    count, since one start may be worth more than another. What is not known is left out.
    """
    told = {"dream_return_of_the_mean": float(dreamt[-1])}
    whole = played[:, ~np.isnan(played).any(0)]
    if not whole.shape[1]:
        return told
    dream, real = dreamt[:-1], whole.mean(1)
    told |= {"dream_return": float(dream.mean()), "real_return": float(real.mean())}
    if np.ptp(dream) and np.ptp(real):  # else there are no ranks
        told["rank_correlation"] = float(np.corrcoef(rankdata(dream), rankdata(real))[0, 1])
    return told
