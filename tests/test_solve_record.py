"""results/measured/solve.csv covers every agent on every toy it supports, and was measured with today's sources."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bench.agents import registry as agents
from bench.benchmarks import solve
from bench.benchmarks.suites import toy
from bench.envs import toy_pixels, toys

PAIRS = list(solve.pairs(sorted(agents.BUILTIN)))
ROWS = solve.recorded()
ROOT = Path(__file__).parents[1]


def promised() -> list[solve.Key]:
    """What README's table of agents says is learnt of the toys, and not only in part; and the worked example's toys."""
    found = [("decqn", "toy/reach", "tiny"), ("decqn", "toy/maze", "tiny")]
    for agent, learnt in re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", (ROOT / "README.md").read_text(), re.MULTILINE):
        for part in (part for part in learnt.split(";") if "in part" not in part):
            scale = "small" if "`small`" in part else "tiny"
            found += [(agent, task, scale) for task in re.findall(r"toy/[a-z-]+", part)]
    return found


SOLVED = promised()


@pytest.mark.parametrize(("agent", "task"), PAIRS)
def test_measured_at_tiny(agent: str, task: str) -> None:
    again = f"measure it with: python -m bench.benchmarks.solve {agent} {task}"
    assert (agent, task, "tiny") in ROWS, f"results/measured/solve.csv says nothing of {agent} on {task}; {again}"


@pytest.mark.parametrize("key", ROWS, ids="-".join)
def test_measured_with_these_sources(key: solve.Key) -> None:
    agent, task, scale = key
    again = f"measure it with: python -m bench.benchmarks.solve {agent} {task} --scale {scale}"
    stale = f"the sources that decide how {agent} learns {task} have changed since {ROWS[key]['date']}; {again}"
    assert ROWS[key]["sources"] == solve.sources(ROWS[key]["agent"], task), stale


def test_nothing_is_recorded_that_does_not_exist() -> None:
    assert {(agent, task) for agent, task, _ in ROWS} <= set(solve.pairs({agent for agent, _, _ in ROWS}))
    assert {scale for _, _, scale in ROWS} <= set(solve.SCALES)


@pytest.mark.parametrize("row", ROWS.values(), ids=map("-".join, ROWS))
def test_way_and_verdict_follow_from_the_scores(row: solve.Row) -> None:
    random, optimum = toy.suite.references[row["toy"]]
    ways = [(float(score) - random) / (optimum - random) for score in row["scores"].split()]
    assert len(ways) == len(row["seeds"].split()) == len(row["seconds"].split()) == solve.SEEDS
    assert [float(way) for way in row["way"].split()] == pytest.approx(ways, abs=0.002)
    assert row["solved"] == ("yes" if min(ways) >= solve.ENOUGH else "no")
    assert all(row[column] for column in ("frames", "command", "date", "hardware"))


def test_the_readme_promises_toys() -> None:
    assert {("dreamer", "toy/maze", "small"), ("simulus", "toy/maze", "small"), ("planet", "toy/reach", "tiny")} <= set(
        SOLVED
    )


@pytest.mark.parametrize("pair", SOLVED, ids="-".join)
def test_what_is_promised_is_solved(pair: solve.Key) -> None:
    assert ROWS[pair]["solved"] == "yes", f"{pair}: {ROWS[pair]['way']} of the way"


def test_infonce_is_above_no_representation_loss_on_pictures() -> None:
    """The worst seed with it is above the best of the same agent without either objective."""
    contrast, nothing = (
        [float(way) for way in ROWS[f"dreamer:{variant}", "toy/pixel-reach", "small"]["way"].split()]
        for variant in ("infonce", "norepresentation")
    )
    assert min(contrast) > max(nothing)


def test_layout_and_what_is_not_imported_change_no_digest_and_code_does(tmp_path, monkeypatch) -> None:
    shutil.copytree(solve.ROOT / "agents" / "common", tmp_path / "agents" / "common")
    monkeypatch.setattr(solve, "ROOT", tmp_path)

    def digest(name: str, text: str) -> str:
        with open(tmp_path / "agents" / "common" / name, "a") as file:
            file.write(text)
        return solve.sources("decqn", "toy/reach")

    before = digest("replay.py", "def half(x):\n    return x / 2\n")
    assert digest("replay.py", "# a comment\n\n\n") == before
    assert digest("laprop.py", "def half(x):\n    return x / 3\n") == before  # decqn imports none of it
    after = digest("replay.py", "def half(x):\n    return x / 3\n")
    assert after != before
    assert digest("names.py", "LIMIT = 1\n") != after  # imported by what decqn imports


@pytest.mark.parametrize(
    ("module", "changes"),
    [(toys, set(toy.suite.tasks)), (toy_pixels, {"toy/pixel-reach", "toy/pixel-catch"})],
    ids=["rules", "pictures"],
)
def test_a_toys_file_is_a_source_of_that_toy_alone_and_the_rules_of_all(module, changes, tmp_path, monkeypatch) -> None:
    before = {task: solve.sources("decqn", task) for task in toy.suite.tasks}
    changed = tmp_path / Path(module.__file__).name
    changed.write_text(Path(module.__file__).read_text() + "\nSIZE = 32\n")
    monkeypatch.setattr(module, "__file__", str(changed))
    assert {task for task in toy.suite.tasks if solve.sources("decqn", task) != before[task]} == changes
