"""Suites as data, and suites of other people through entry points."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.benchmarks import suites
from bench.envs import registry
from bench.results import published

ROOT = Path(__file__).parents[2]
COUNTS = {
    "atari100k": 26,
    "carracing": 1,
    "demo": 3,
    "dmc": 28,
    "dmc-pixels": 12,
    "dmc-proprio": 18,
    "dmc-vision": 20,
    "takecover": 1,
    "toy": 4,
}


def test_every_suite_of_the_design_is_declared() -> None:
    assert suites.names() == sorted(COUNTS)
    assert suites.broken() == {}


@pytest.mark.parametrize("name", COUNTS)
def test_a_suite_is_complete(name: str) -> None:
    suite = suites.get(name)
    assert len(set(suite.tasks)) == len(suite.tasks) == COUNTS[name]
    assert set(suite.tasks) <= set(registry.known())
    assert all((suite.measures, suite.source, suite.citation)), "the card has an empty field"
    assert set(suite.references) == set(suite.tasks)
    assert all(low < high for low, high in suite.references.values())
    assert set(suite.task_budgets) <= set(suite.tasks)
    for task in suite.tasks:
        frames = [suite.budget(task, scale).frames for scale in ("tiny", "small", "paper")]
        assert frames == sorted(frames)
        for scale in ("paper", "small", "tiny"):
            budget = suite.budget(task, scale)
            assert 0 < budget.every <= budget.frames
            assert 0 < budget.episodes <= budget.final_episodes
            repeat = registry.task(task).action_repeat
            assert all(point % repeat == 0 for point in budget.points()), "a point between two decisions"


@pytest.mark.parametrize("name", COUNTS)
def test_published_labels_exist(name: str) -> None:
    suite = suites.get(name)
    rows = published.scores(suite.tasks)
    assert set(suite.published) <= {published.label(row) for row in rows}


def test_human_normalisation_is_the_published_one() -> None:
    suite = suites.get("atari100k")
    assert all(published.references(task) == pair for task, pair in suite.references.items())


def test_atari_plays_as_many_final_episodes_as_the_design_says() -> None:
    budgets = suites.get("atari100k").budgets
    assert {scale: budget.final_episodes for scale, budget in budgets.items()} == {"paper": 100, "small": 20, "tiny": 2}


def test_a_run_of_the_longer_control_suite_serves_the_shorter_one() -> None:
    for longer, shorter in (("dmc", "dmc-proprio"), ("dmc-pixels", "dmc-vision")):
        end = suites.get(shorter).budgets["paper"].frames
        assert end in suites.get(longer).budgets["paper"].points()


def test_dogs_and_humanoids_train_longer() -> None:
    suite = suites.get("dmc")
    longer = {task for task in suite.tasks if suite.budget(task, "paper").frames == 14_000_000}
    assert longer == {task for task in suite.tasks if "dog" in task or "humanoid" in task}
    assert {suite.budget(task, "paper").frames for task in set(suite.tasks) - longer} == {4_000_000}


def test_an_unknown_suite_gets_the_nearest_names() -> None:
    with pytest.raises(suites.UnknownSuite, match=r"unknown suite 'atari'.*'atari100k'.*bench list suites"):
        suites.get("atari")


def _blocks(language: str) -> list[str]:
    text = (ROOT / "docs" / "write_a_suite.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's example, laid out as an installer leaves it, on this process's path."""
    (source,) = _blocks("python")
    (project,) = _blocks("toml")
    points = re.search(r'(\[project\.entry-points\."bench\.suites"\])\n(.*?)\n\n', project, flags=re.DOTALL)
    assert points is not None
    (tmp_path / "my_suites.py").write_text(source)
    folder = tmp_path / "my_suites-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: my-suites\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[bench.suites]\n" + points[2].replace('"', "") + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_suites", raising=False)
    return tmp_path


def test_the_guides_example_is_found(installed: Path) -> None:
    suite = suites.get("classic")
    assert "classic" in suites.names()
    assert all(registry.task(task).observation for task in suite.tasks)
    assert set(suite.references) == set(suite.tasks)


@pytest.mark.slow
def test_the_guides_example_installs(tmp_path: Path) -> None:
    (source,) = _blocks("python")
    (project,) = _blocks("toml")
    (tmp_path / "my_suites.py").write_text(source)
    (tmp_path / "pyproject.toml").write_text(project)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path / "site", tmp_path]
    subprocess.run(install, check=True)
    code = "from bench.benchmarks import suites; print(suites.get('classic').tasks[0])"
    environment = {"PYTHONPATH": f"{ROOT / '.link'}:{tmp_path / 'site'}"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "gym:CartPole-v1"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("classic = 3", "is a int, not a Suite"),
        ("from bench.benchmarks.suites.carracing import suite as classic", "calls itself 'carracing'"),
    ],
)
def test_a_broken_plugin_is_named_and_breaks_nothing(installed: Path, source: str, reason: str) -> None:
    (installed / "my_suites.py").write_text(source)
    assert "classic" in suites.names()
    assert suites.get("dmc").name == "dmc"
    assert list(suites.broken()) == ["classic"]
    assert reason in suites.broken()["classic"]
    assert "my-suites" in suites.broken()["classic"]


def test_two_owners_of_one_name_are_both_named(installed: Path) -> None:
    (installed / "my_suites-1.dist-info" / "entry_points.txt").write_text("[bench.suites]\ndmc = my_suites:classic\n")
    with pytest.raises(suites.BrokenSuite, match=r"'dmc' has two owners: bench .* and my-suites"):
        suites.names()


def test_listing_is_light() -> None:
    code = (
        "import sys; from bench.benchmarks import suites; [suites.get(n) for n in suites.names()]; "
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'mujoco', 'ale_py') if m in sys.modules])"
    )
    listing = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT / ".link"
    )
    assert listing.stdout.strip() == "[]"
