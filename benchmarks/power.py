"""How many seeds see which IQM difference, and how often the intervals hold what they promise: by simulation.

    python -m bench.benchmarks.power

Populations are published runs: of each game as many as are public, in human-normalised scores. An experiment draws
runs from them with replacement; the truth is the population's own IQM. Two tables in Markdown, as docs/statistics.md
has them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.report import bootstrap
from bench.report.scores import normalised
from bench.results import published

POPULATIONS = ("SPR", "DrQ(eps)", "Simulus")  # 100, 100 and 5 runs a game
SEEDS = (2, 3, 5, 10, 20)
EXPERIMENTS = 400
REPS = 1000  # resamples per experiment
POWER = 0.8


def population(agent: str) -> np.ndarray:
    """Human-normalised scores [runs, 26 games] of an agent."""
    games = sorted({score.task for score in published.scores() if score.task.startswith("atari/")})
    columns = []
    for game in games:
        references = published.references(game)
        assert references is not None
        mine = [score.value for score in published.scores([game]) if published.label(score) == agent and score.seed]
        columns.append([normalised(value, references) for value in mine])
    return np.array(columns).T


def experiments(runs: np.ndarray, seeds: int, first: int) -> Iterable[np.ndarray]:
    """EXPERIMENTS matrices [seeds, tasks] drawn from the runs, per task anew."""
    generator = np.random.default_rng(first)
    for _ in range(EXPERIMENTS):
        yield runs[generator.integers(len(runs), size=(seeds, runs.shape[1])), np.arange(runs.shape[1])]


def spread(matrix: np.ndarray, seed: int) -> np.ndarray:
    """Resampled IQMs [REPS]."""
    return bootstrap.iqm(bootstrap.resamples(matrix, REPS, seed))


def coverage(runs: np.ndarray, seeds: int) -> tuple[float, float]:
    """How often the nominal 95 % interval holds the truth: of the IQM over all tasks, of one task's mean."""
    truth, means = bootstrap.iqm(runs), runs.mean(axis=0)
    aggregate, single = [], []
    for number, drawn in enumerate(experiments(runs, seeds, seeds)):
        low, high = bootstrap.percentiles(spread(drawn, number))
        aggregate.append(low <= truth <= high)
        low, high = bootstrap.percentiles(bootstrap.resamples(drawn, REPS, number).mean(axis=1))
        single.append(np.mean((low <= means) & (means <= high)))
    return float(np.mean(aggregate)), float(np.mean(single))


def detectable(runs: np.ndarray, seeds: int) -> tuple[float, float]:
    """(smallest IQM difference whose 95 % interval excludes 0 in POWER of the experiments, how often it does at none).

    An agent that is better by a constant shifts both its IQM and every resample of it by that constant: one simulation
    without a difference holds all of them.
    """
    lows, wrong = [], []
    pairs = zip(experiments(runs, seeds, seeds), experiments(runs, seeds, 1000 + seeds), strict=True)
    for number, (ours, theirs) in enumerate(pairs):
        low, high = bootstrap.percentiles(spread(ours, 2 * number) - spread(theirs, 2 * number + 1))
        lows.append(low)
        wrong.append(not low <= 0 <= high)
    return float(np.quantile(-np.array(lows), POWER)), float(np.mean(wrong))


def main() -> None:
    found = {agent: population(agent) for agent in POPULATIONS}
    print("| seeds |" + "".join(f" {a} (IQM {bootstrap.iqm(r):.3f}) | false |" for a, r in found.items()))
    print("| ---: |" + " ---: | ---: |" * len(found))
    for seeds in SEEDS:
        cells = (detectable(runs, seeds) for runs in found.values())
        print(f"| {seeds} |" + "".join(f" {seen:.3f} | {wrong:.1%} |" for seen, wrong in cells), flush=True)
    print("\n| seeds |" + "".join(f" {agent}: IQM | one game's mean |" for agent in found))
    print("| ---: |" + " ---: | ---: |" * len(found))
    for seeds in SEEDS[1:-1]:
        cells = (coverage(runs, seeds) for runs in found.values())
        print(f"| {seeds} |" + "".join(f" {aggregate:.1%} | {single:.1%} |" for aggregate, single in cells), flush=True)


if __name__ == "__main__":
    main()
