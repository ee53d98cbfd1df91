"""The dream gap: what the same controllers are worth in M's dream and in the task."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def numbers(dreamt: np.ndarray, played: np.ndarray) -> dict[str, float]:
    """Mean returns of the candidates of one population, and Spearman's rank correlation between them.

    dreamt: [P + 1], each a mean over its dreams, the last the distribution's mean, which belongs to no population.
    played: [P, R], nan where an episode was not played to its end. Candidates count that have played all R, which are
    the same starts for each. What is not known is left out.
    """
    told = {"dream_return_of_the_mean": float(dreamt[-1])}
    whole = ~np.isnan(played).any(1)
    if not played.shape[1] or not whole.any():
        return told
    dream, real = dreamt[:-1][whole], played[whole].mean(1)
    told |= {"gap_candidates": float(whole.sum())}
    told |= {"dream_return": float(dream.mean()), "real_return": float(real.mean())}
    if np.ptp(dream) and np.ptp(real):  # else there are no ranks
        told["rank_correlation"] = float(np.corrcoef(rankdata(dream), rankdata(real))[0, 1])
    return told
