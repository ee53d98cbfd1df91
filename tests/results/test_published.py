"""The published data are tested like code: units, sources, no duplicates, and their authors' own aggregates."""

from __future__ import annotations

import gzip
import re
import statistics
from collections import defaultdict

import pytest

from bench.results import published
from bench.results.published import HERE, curves, label, references, scores
from bench.results.schema import Score

RULES = re.compile(
    r"(evaluation@(last|best)|(evaluation|training|unstated)@(\d+[kM]?-)?\d+[kM]?(/last)?|dream@last|reference)$"
)
TASK = re.compile(r"(atari|dmc-state|dmc-vision)/[a-z_]+$|carracing/v3$|takecover/v1$")


def tasks(prefix: str) -> list[str]:
    return sorted({score.task for score in scores() if score.task.startswith(prefix)})


def frames_of(text: str) -> int:
    return int(text.rstrip("kM")) * {"k": 1_000, "M": 1_000_000}.get(text[-1], 1)


def mean_by_seed(values: dict[tuple[str, str], float]) -> float:
    """{(task, seed): value} -> mean over tasks of each task's mean over seeds."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for (task, _), value in values.items():
        by_task[task].append(value)
    return statistics.fmean(map(statistics.fmean, by_task.values()))


def human(score: Score) -> float:
    levels = references(score.task)
    assert levels is not None
    return (score.value - levels[0]) / (levels[1] - levels[0])


def test_every_score_has_task_protocol_rule_unit_and_source():
    assert len(scores()) > 10_000
    for score in scores():
        assert TASK.match(score.task), score
        assert RULES.match(score.rule), score
        assert score.unit == "return", score
        assert all((score.protocol, score.source, score.agent)), score
        assert not re.match(r"[a-z-]+/\d+$", score.protocol), f"looks like one of ours: {score}"
        assert (score.std is None) or (score.seed is None and score.n is not None and score.n > 1), score
        assert (score.episode_std is None) or score.seed is None, score


def test_windows_of_rules_end_at_the_rows_frames():
    for score in scores():
        if found := re.search(r"(\d+[kM]?)$", score.rule):
            assert score.frames == frames_of(found[1]), score


def test_no_score_and_no_curve_appears_twice():
    keys = [(s.task, label(s), s.rule, s.frames, s.seed) for s in scores()]
    assert len(keys) == len(set(keys))
    lines = [(c.task, label(c), c.seed) for task in published._curve_rows() for c in curves(task)]
    assert len(lines) == len(set(lines))
    assert len(lines) > 2_000


def test_an_agent_has_seeds_or_a_mean_under_a_rule_never_both():
    kinds: dict[tuple[str, str, str], set[bool]] = defaultdict(set)
    for score in scores():
        kinds[score.task, label(score), score.rule].add(score.seed is None)
    assert [key for key, both in kinds.items() if len(both) > 1] == []


def test_curves_ascend_in_frames_and_name_their_source():
    for task in published._curve_rows():
        for curve in curves(task):
            assert len(curve.frames) == len(curve.values) > 0, curve
            assert all(a < b for a, b in zip(curve.frames, curve.frames[1:], strict=False)), curve
            assert curve.source, curve
            assert (curve.rule in ("evaluation", "training"), curve.unit) == (True, "return"), curve


def test_suites_are_covered():
    assert len(tasks("atari/")) == 26
    assert len(tasks("dmc-state/")) == 28
    assert len(tasks("dmc-vision/")) == 20
    assert all(references(task) for task in tasks("atari/"))
    assert references("dmc-state/walker_walk") is None
    assert references("atari/pong") == (-20.7, 14.6)


def test_frames_are_simulator_steps():
    last = max(c.frames[-1] for c in curves("atari/pong") if label(c) == "DreamerV3 (2024 release)")
    assert 390_000 < last <= 400_000
    assert {s.frames for s in scores(["dmc-state/walker_walk"]) if label(s) == "Simulus"} == {1_000_000}


@pytest.mark.parametrize(("agent", "frames", "mean"), [("TD-MPC2", 500_000, 713.2), ("TD-MPC2", 1_000_000, 779.7)])
def test_dmc_means_from_curves_and_from_scores(agent: str, frames: int, mean: float):
    points = {
        (task, curve.seed): dict(zip(curve.frames, curve.values, strict=True))[frames]
        for task in tasks("dmc-state/")
        for curve in curves(task)
        if label(curve) == agent and frames in curve.frames
    }
    assert len({task for task, _ in points}) == 28
    assert mean_by_seed(points) == pytest.approx(mean, abs=0.06)
    rule = "evaluation@500k" if frames == 500_000 else "evaluation@1M"
    table = {
        (s.task, s.seed or ""): s.value for s in scores(tasks("dmc-state/")) if label(s) == agent and s.rule == rule
    }
    assert len(table) == 28 * 3
    assert mean_by_seed(table) == pytest.approx(mean, abs=0.06)


def test_dcmpc_means_over_28_tasks():
    for rule, mean in (("evaluation@500k", 742.5), ("evaluation@1M", 813.9)):
        found = [s.value for s in scores(tasks("dmc-state/")) if label(s) == "DC-MPC" and s.rule == rule]
        assert len(found) == 28
        assert statistics.fmean(found) == pytest.approx(mean, abs=0.06)


def test_bmpc_and_dreamer_means():
    bmpc = [s.value for s in scores(tasks("dmc-state/")) if label(s) == "BMPC" and s.rule == "evaluation@1M"]
    assert len(bmpc) == 28
    assert statistics.fmean(bmpc) == pytest.approx(864.7, abs=0.06)
    for prefix, who, rule, count, mean in (
        ("dmc-state/", "DreamerV3 (2023 release)", "training@470k-490k", 18, 753.5),
        ("dmc-vision/", "DreamerV3 (2024 release)", "training@960k-1M", 20, 786.1),
    ):
        found = [s for s in scores(tasks(prefix)) if label(s) == who and s.rule == rule]
        assert len({s.task for s in found}) == count
        by_seed = {(s.task, s.seed or ""): s.value for s in found}
        assert mean_by_seed(by_seed) == pytest.approx(mean, abs=0.1)


def test_human_normalised_dreamer_on_atari():
    by_task: dict[str, list[float]] = defaultdict(list)
    for score in scores(tasks("atari/")):
        if label(score) == "DreamerV3 (2024 release)" and score.rule == "training@390k-400k":
            by_task[score.task].append(human(score))
    means = [statistics.fmean(values) for values in by_task.values()]
    assert sum(map(len, by_task.values())) == 122
    assert statistics.fmean(means) == pytest.approx(1.247, abs=5e-4)
    assert statistics.median(means) == pytest.approx(0.494, abs=5e-4)


@pytest.mark.parametrize(
    ("agent", "rule", "mean", "median", "iqm"),
    [
        ("Simulus", "evaluation@last", 1.645, 0.982, 0.990),
        ("DreamerV3 (2024 release)", "training@390k-400k/last", 1.245, 0.480, 0.523),
        ("IRIS", "evaluation@last", 1.046, 0.289, 0.501),
        ("DIAMOND", "evaluation@last", 1.459, 0.373, 0.641),
        ("REM", "evaluation@last", 1.222, 0.280, 0.673),
    ],
)
def test_human_normalised_aggregates_on_atari(agent: str, rule: str, mean: float, median: float, iqm: float):
    found = [s for s in scores(tasks("atari/")) if (label(s), s.rule) == (agent, rule)]
    found.sort(key=lambda s: (s.task, s.seed or ""))
    normalised = [human(score) for score in found]
    assert len(normalised) == 26 * 5
    means = [statistics.fmean(normalised[i : i + 5]) for i in range(0, 130, 5)]
    cut = len(normalised) // 4
    assert statistics.fmean(means) == pytest.approx(mean, abs=5e-4)
    assert statistics.median(means) == pytest.approx(median, abs=5e-4)
    assert statistics.fmean(sorted(normalised)[cut:-cut]) == pytest.approx(iqm, abs=5e-4)


def test_single_seeds_from_curves_are_the_curves_points():
    points = {
        (c.task, label(c), c.seed, frames): value
        for c in curves("dmc-state/walker_walk")
        for frames, value in zip(c.frames, c.values, strict=True)
    }
    taken = [s for s in scores(["dmc-state/walker_walk"]) if s.source.endswith("single seeds from the curve")]
    exact = [s for s in taken if "-" not in s.rule]
    assert len(exact) > 80
    assert all(s.value == points[s.task, label(s), s.seed or "", s.frames or 0] for s in exact)


def test_files_are_small_and_carry_no_clock():
    files = [HERE / "scores.csv.gz", HERE / "curves.csv.gz"]
    assert sum(file.stat().st_size for file in files) < 2.5e6
    for file in files:
        assert file.read_bytes()[4:8] == bytes(4), "a gzip header with a time in it"
        with gzip.open(file, "rt") as text:
            assert text.readline().startswith("task,protocol,agent,variant,seed,")


def test_readme_names_every_agent_it_advises():
    text = (HERE / "README.md").read_text()
    known = {label(s) for s in scores()} | {label(c) for task in published._curve_rows() for c in curves(task)}
    advised = re.findall(r'"([^"]+)"', text)
    assert len(advised) > 20
    assert [name for name in advised if name not in known] == []
