"""The measured random scores: complete, explained where they differ, and what the stack gives today."""

import csv
import re

import pytest

from bench.benchmarks import random_scores, suites
from bench.envs import registry

with random_scores.OUT.open(newline="") as file:
    ROWS = {row["task"]: row for row in csv.DictReader(file)}


def test_every_task_was_measured_under_todays_protocol():
    assert list(ROWS) == [task for name in random_scores.SUITES for task in suites.get(name).tasks]
    for task, row in ROWS.items():
        protocol = registry.protocol(task)
        assert row["protocol"] == f"{protocol['name']}/{protocol['version']}"
        assert int(row["episodes"]) == 20 and row["published_source"] and row["command"] and row["hardware"]


def test_what_lies_outside_three_standard_errors_is_explained_one_by_one():
    text = random_scores.OUT.with_suffix(".md").read_text()
    far = {task for task, row in ROWS.items() if abs(float(row["z"])) >= 3}
    assert set(re.findall(r"^\| `(.+?)`", text, re.MULTILINE)) == far
    for task in far:
        assert f"- **{task.partition('/')[2]}.** " in text


def test_the_stack_still_gives_these_numbers():
    pytest.importorskip("dm_control")
    row = ROWS["dmc-state/cartpole_swingup"]
    returns = random_scores.play("dmc-state/cartpole_swingup", 20)
    # On the processor that measured them they are equal; another one may round otherwise.
    assert abs(sum(returns) / 20 - float(row["mean"])) < float(row["stderr"])
