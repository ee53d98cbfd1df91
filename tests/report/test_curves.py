"""What the figures draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.report import curves, snapshot
from bench.report.scores import Row
from bench.results.schema import Suite


def only(root: Path, suite: Suite) -> Row:
    (row,) = snapshot.take(root, suite).views[0].rows
    return row


def test_the_mean_is_over_complete_runs_and_every_run_is_shown(write, root: Path, toy: Suite):
    for seed, final in enumerate([1.0, 2.0, 3.0]):
        write(seed=seed, final=final)
    write(seed=3, final=100.0, upto=4_000, status="failed")
    line = curves.measured(only(root, toy), "learner")
    assert line.frames.tolist() == list(range(1_000, 10_001, 1_000))
    assert line.mean.tolist() == pytest.approx([0.2 * n for n in range(1, 11)])
    assert line.band is not None
    assert (line.band[0][-1], line.band[1][-1]) == pytest.approx((1.0, 3.0))
    assert [len(frames) for frames, _ in line.seeds] == [10, 10, 10, 4]


def test_two_runs_have_no_band_and_one_no_mean(write, root: Path, toy: Suite):
    write(seed=0)
    assert len(curves.measured(only(root, toy), "learner").frames) == 0
    write(seed=1)
    line = curves.measured(only(root, toy), "learner")
    assert len(line.frames) == 10
    assert line.band is None


def test_training_episodes_are_drawn_in_bins(write, root: Path, make_suite: Callable[..., Suite]):
    write(seed=0, points=100)  # 400 training episodes
    line = curves.measured(only(root, make_suite(rule="training@5k-10k")), "learner")
    frames, values = line.seeds[0]
    assert line.kind == "training"
    assert len(frames) == curves.BINS
    assert frames[-1] == 10_000
    assert values[-1] == pytest.approx(np.mean(np.arange(391, 401)) / 400)


def test_published_curves_end_with_the_figure(make_suite: Callable[..., Suite]):
    suite = make_suite("dmc-state/walker_walk", published=("TD-MPC2", "Simulus", "DC-MPC"))
    drawn = curves.quoted(suite, "dmc-state/walker_walk", 1_000_000)
    assert [line.label for line in drawn] == ["TD-MPC2", "DC-MPC"]  # Simulus published no curve
    assert all(line.frames[-1] <= 1_000_000 for line in drawn)
    assert drawn[0].mean[-1] == pytest.approx(979.7, abs=0.1)  # the mean of three seeds at 1M frames
    assert curves.quoted(suite, "dmc-state/walker_walk", 4_000) == []  # one point is no curve
