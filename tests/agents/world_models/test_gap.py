"""The dream gap: one population more, rated in a dream and in the task, and what is said of the two."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from bench.agents.world_models.gap import numbers
from bench.benchmarks import record
from bench.results import table
from bench.results.schema import At, Budget, Evaluation, Metrics, event_line
from bench.tests.agents.world_models.subjects import DREAM, SMALLEST
from bench.tests.agents.world_models.test_agent import collected
from bench.tests.benchmarks.conftest import plan_run  # noqa: F401 - a fixture

SOON = {**DREAM, "end": False, "horizon": 20, "generations": 2, "gap_rollouts": 2}


@pytest.mark.parametrize("count", [1, 3])
def test_the_last_population_is_rated_in_a_dream_and_in_the_task(count):
    agent, rows, seats, stages = collected(-(-30 // count) + 60 + 160 // count, count, **SOON)
    assert agent.done() and agent.evolution.generation == SOON["generations"]
    size = SMALLEST["population"] * SOON["gap_rollouts"]
    played = [row for row in rows if row[3] == SOON["horizon"]]  # cut where a dream ends
    assert len(played) >= size and all(row[4] == "cut" for row in played)
    first = min(row[0] for row in played)
    mine = sorted(row for row in played if row[0] < first + size)
    returns = np.array([row[2] for row in mine]).reshape(-1, SOON["gap_rollouts"])  # a candidate after the other
    np.testing.assert_allclose(agent.returns, returns, atol=1e-5)
    tracks = np.array([row[1] for row in mine]).reshape(returns.shape).T
    assert [len(set(track)) for track in tracks] == [1, 1] and tracks[0, 0] != tracks[1, 0]
    said = agent.metrics()
    assert said["real_return"] == pytest.approx(returns.mean(), abs=1e-5)
    assert said["dream_return"] == pytest.approx(agent.dreamt[:-1].mean())
    assert said["rank_correlation"] == pytest.approx(spearmanr(agent.dreamt[:-1], returns.mean(1)).statistic)
    assert said["dream_return_of_the_mean"] == agent.dreamt[-1]


def test_a_budget_that_ends_among_the_gaps_episodes_tells_of_candidates_that_have_played_all():
    dreamt = np.array([1.0, 2.0, 2.0, 5.0, 4.0, 9.0])
    played = np.array([[1.0, 5], [3, 5], [2, 5], [7, 3], [8, np.nan]])
    said = numbers(dreamt, played)
    assert said == {
        "dream_return_of_the_mean": 9,
        "gap_candidates": 4,
        "dream_return": 2.5,
        "real_return": 3.875,
        "rank_correlation": pytest.approx(spearmanr([1, 2, 2, 5], [3, 4, 3.5, 5]).statistic),
    }
    assert set(numbers(dreamt, played[4:].repeat(5, 0))) == {"dream_return_of_the_mean"}
    assert "rank_correlation" not in numbers(dreamt, np.ones((5, 2)))


def test_it_is_kept_beside_the_newest_evaluation(plan_run, tmp_path):  # noqa: F811
    sets = [f"world_models.{name}={value}" for name, value in {**SOON, "gap_rollouts": 1}.items()]
    run = plan_run("world_models", "toy/reach", Budget(400, 400, 1, 2), sets=sets)
    assert run.here() == 0
    row = record.gap(run.run)
    last = [event.values for event in run.run.events() if isinstance(event, Metrics)][-1]
    assert {name: float(row[name]) for name in record.GAP if row[name]} == pytest.approx(
        {name: last[name] for name in record.GAP if name in last}, rel=1e-4
    )
    assert row["gap_candidates"] == "4" and row["episodes"] == "2"
    more = Evaluation(At(400, 400, 400, 0), "evaluate", [1.0, 2.0, 6.0], [50] * 3, [0, 1, 2])
    (run.path / "evaluations.jsonl").write_text(event_line(more))
    assert record.gap(run.run)["mean"] == "3"
    record.record(run.path.parents[2], tmp_path / "curves.csv", tmp_path / "gaps.csv")
    assert [each["std"] for each in table.read(tmp_path / "gaps.csv")] == ["2.6458"]
