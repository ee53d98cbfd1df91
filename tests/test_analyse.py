"""The worked example of docs/analyse.md, run as it stands on a store of real runs; tables and exports of the same."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.benchmarks.cli.main import app
from bench.benchmarks.errors import RequestError
from bench.results import load

GUIDE = Path(__file__).parents[1] / "docs" / "analyse.md"


def call(*arguments: str) -> str:
    """What `bench ...` prints; whatever it raises."""
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False, standalone_mode=False)
    return done.stdout


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of linear_q and two of random on toy/reach, trained by the real command."""
    root = tmp_path_factory.mktemp("store") / "runs"
    for agent, seeds in (("linear_q", "3"), ("random", "2")):
        call("run", "--agents", agent, "--suite", "toy", "--tasks", "reach", "--scale", "tiny", "--seeds", seeds,
             "--frames", "600", "--runs", str(root), "--device", "cpu", "--jobs", "1")  # fmt: skip
    return root


@pytest.fixture
def damaged(store: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy whose linear_q runs are: one good, one half-written, one with a return that is no number."""
    root = tmp_path / "runs"
    shutil.copytree(store, root)
    first, second, _ = sorted((root / "toy/reach/linear_q").iterdir())
    (first / "run.json").write_text((first / "run.json").read_text()[:100])
    events = second / "events.jsonl"
    events.write_text(re.sub(r'"returns":\[[^,\]]+', '"returns":[NaN', events.read_text()))
    yield root


def test_the_worked_example(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(store.parent)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL):
        exec(block, names)
    printed = capsys.readouterr().out
    by_seed = names["by_seed"]
    assert by_seed.groupby("agent").count().to_dict() == {"linear_q": 3, "random": 2}  # type: ignore[attr-defined]
    assert "'4': " in printed
    assert "Estimate(value=" in printed


def test_scores_of_real_runs(store: Path):
    rows = list(csv.DictReader(io.StringIO(call("table", "--runs", str(store), "--format", "csv"))))
    assert [row["task"] for row in rows] == ["toy/reach"]
    frame = load(store)
    last = frame[(frame.kind == "evaluation") & (frame.agent == "linear_q")]
    assert float(rows[0]["linear_q"]) == pytest.approx(last.groupby("seed")["return"].mean().mean())
    assert rows[0]["linear_q low"] != ""
    assert "random low" not in rows[0]  # two runs
    assert "fewer than 3 runs: no interval" in call("table", "--runs", str(store), "--suite", "toy")


def test_cost_and_aggregates_of_real_runs(store: Path):
    (learner, random) = csv.DictReader(io.StringIO(call("table", "cost", "--runs", str(store), "--format", "csv")))
    assert float(learner["updates per agent step"]) > 0
    assert float(learner["hours in all"]) > 0
    assert (learner["runs"], random["runs"], learner["device"][:3]) == ("3", "2", "cpu")
    one_task = call("table", "aggregates", "--runs", str(store), "--suite", "toy")
    assert "nothing is averaged over tasks" in one_task


def test_damaged_runs_are_named_and_the_table_still_appears(damaged: Path):
    done = CliRunner().invoke(app, ["table", "--runs", str(damaged)], catch_exceptions=False, standalone_mode=False)
    assert done.stderr.count("cannot be read: ") == 2
    assert "nan" in done.stderr
    assert "| toy/reach |" in done.stdout
    with pytest.raises(RequestError, match=r"1 run folders cannot be read.*run\.json"):
        call("export", "--runs", str(damaged))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table"], "no runs in '{}'; name a store with --runs"),
        (["table", "--suite", "toy"], "no runs of suite toy"),
        (["table", "--suite", "toi"], "Did you mean 'toy'"),
        (["table", "score"], "Did you mean 'scores'"),
        (["table", "--format", "tex"], "'tex'.*Known: markdown, latex, csv"),
        (["table", "--paper", "tdmpc2/dcm"], "Did you mean 'tdmpc2/dmc'"),
        (["table", "--paper", "tdmpc2/dmc", "--suite", "dmc"], "leave --suite dmc out"),
        (["reproduce", "tdmpc/dmc"], "Did you mean 'tdmpc2/dmc'"),
        (["reproduce", "tdmpc2/dmc", "--tasks", "pong"], "'pong'"),
        (["reproduce", "tdmpc2/dmc", "--seeds", "0"], "--seeds 0"),
        (["export"], "is no folder of runs"),
        (["export", "--to", "exel"], "nothing is exported to 'exel'"),
    ],
)
def test_an_empty_store_and_wrong_names_are_refused_in_a_sentence(tmp_path: Path, arguments: list[str], words: str):
    store = tmp_path / "nowhere"
    with pytest.raises(RequestError, match=words.format(store)) as refused:
        call(*arguments, "--runs", str(store))
    assert "\n" not in str(refused.value)
    assert not store.exists()


def test_a_papers_table_of_an_empty_store_is_the_published_one(tmp_path: Path):
    assert "[measured]" not in call("table", "--paper", "simulus/atari100k", "--runs", str(tmp_path / "nowhere"))


def test_exports(store: Path, tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "out" / "episodes.csv"
    assert call("export", "--runs", str(store), "--out", str(path)).strip() == str(path)
    assert len(pandas.read_csv(path)) == len(load(store))


def test_parquet(store: Path, tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="the extra `export` is not installed: Parquet not checked")
    call("export", "--to", "parquet", "--runs", str(store), "--out", str(tmp_path / "episodes.parquet"))
    assert pandas.read_parquet(tmp_path / "episodes.parquet").equals(load(store))


def test_tensorboard(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("tensorboard", reason="the extra `export` is not installed: TensorBoard not checked")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    call("export", "--to", "tensorboard", "--runs", str(store), "--out", str(tmp_path))
    (folder,) = (tmp_path / "toy/reach/linear_q").glob("s0-*")
    events = EventAccumulator(str(folder)).Reload()
    frame = load(store)
    mine = frame[(frame.agent == "linear_q") & (frame.seed == 0) & (frame.kind == "evaluation")]
    ((step, value),) = [(each.step, each.value) for each in events.Scalars("evaluation/return")]
    assert (step, value) == (mine.frames.max(), pytest.approx(mine["return"].mean(), rel=1e-6))


def test_a_missing_package_is_named(store: Path, monkeypatch: pytest.MonkeyPatch):
    from bench.results import export

    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="needs the package tensorboard.*pip install tensorboard"):
        call("export", "--to", "tensorboard", "--runs", str(store))
