"""The page, the figures and the tables."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from bench import report
from bench.report import look, media, page, scores, snapshot, tables
from bench.report import published as quoting
from bench.results import load, published
from bench.results.schema import Budget, Suite

VOID = {"meta", "link", "br", "input", "img"}


class Document(HTMLParser):
    """Ids, inner links and outer references of a page; fails on tags that do not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self._open.append(tag)
        for key, value in attributes:
            if key == "id":
                self.ids.append(value)
            elif key in ("href", "xlink:href", "src") and value.startswith("#"):
                self.links.append(value[1:])
            elif key in ("href", "xlink:href", "src") and not value.startswith("data:"):
                self.outside.append(value)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()


def written(root: Path, suite: Suite | None, suites: tuple[Suite, ...] = ()) -> str:
    return page.write_page(root, suite, root.parent / "out" / "page.html", suites).read_text()


@pytest.fixture
def pong(write, make_suite: Callable[..., Suite]) -> Suite:
    for seed in range(3):
        write(
            "atari/pong", "learner", seed, start=-20.0, final=10.0 + seed, frames=400_000, suite="atari", scale="paper"
        )
    return make_suite(
        "atari/pong",
        name="atari",
        budgets={"paper": Budget(400_000, 40_000, 5, 100)},
        references={"atari/pong": (-20.7, 14.6)},
        reference_names=("random", "human"),
        published=("DreamerV3 (2024 release)", "Simulus", "BBF"),
    )


def test_everything_at_once(mixed: Path, toy: Suite):
    text = written(mixed, toy)
    for expected in (
        "1 run diverged: learner on toy/maze (seed 2).",
        "1 run failed, not averaged: learner on toy/maze (seed 3).",
        "loss became nan",
        "OSError: no screen",
        "random on toy/maze (small: no seed 2, 3)",
        "Runs of several scales (small, tiny)",
        "wiring only",
        "Fewer than 3 runs: points, no interval.",
        "covers about 70 % for one task",
        "1 run only statistically exact",
        "without diverged: 17.5",
        "0 = random, 1 = optimum",
        "commit 0123456789",
        "cpu: a processor",
    ):
        assert expected in text, expected


def test_it_is_sound_html_and_every_number_leads_to_its_runs(mixed: Path, toy: Suite):
    document = Document(written(mixed, toy))
    assert document.outside == []
    assert len(document.ids) == len(set(document.ids))
    assert set(document.links) <= set(document.ids)
    assert sum(link.startswith("run-") for link in document.links) == 17


def test_the_same_snapshot_gives_the_same_bytes(mixed: Path, toy: Suite):
    first = written(mixed, toy)
    assert written(mixed, toy) == first
    again = (
        f"from pathlib import Path; from bench.report.page import *; write_page(Path({str(mixed)!r}), None, Path('p'))"
    )
    here = written(mixed, None)
    subprocess.run([sys.executable, "-c", again], check=True, cwd=mixed.parent, env={"PYTHONPATH": ":".join(sys.path)})
    assert (mixed.parent / "p").read_text() == here
    assert str(mixed.parent) not in first + here


def test_an_empty_store_still_has_a_page(root: Path, toy: Suite):
    root.mkdir()
    for text in (written(root, toy), written(root, None), written(root.parent / "nowhere", toy)):
        assert "There are no runs here yet." in text
        assert Document(text).outside == []


def test_runs_that_have_not_begun_are_shown(write, root: Path, toy: Suite):
    for seed in range(3):
        write("toy/reach", seed=seed, upto=0, status="planned")
    text = written(root, toy)
    assert "3 runs planned, not averaged" in text
    assert "svg" in text


def test_damaged_folders_are_listed(write, root: Path, toy: Suite):
    (write(seed=0) / "run.json").write_text('{"schema": 99}')
    text = written(root, toy)
    assert "Run folders that are not counted" in text
    assert "schema 99; this build reads schema 1" in text


def test_text_of_others_is_escaped(write, root: Path, toy: Suite):
    write(seed=0, status="failed", upto=1_000, reason="<script>alert(1)</script>")
    text = written(root, toy)
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_published_scores_stand_beside_with_their_rule(root: Path, pong: Suite):
    text = written(root, pong)
    assert "DreamerV3 (2024 release)" in text
    assert "another rule or budget" in text  # training episodes against our evaluations
    assert "leor-c/Simulus:results/data/atari/Simulus.json" in text
    assert text.count("Published scores (3)") == 1


def test_the_published_row_of_the_suites_own_budget_is_taken(make_suite: Callable[..., Suite]):
    task = "dmc-state/walker_walk"
    labels = ("TD-MPC2", "Simulus", "DreamerV3 (2023 release)")
    suite = make_suite(task, budgets={"paper": Budget(500_000, 50_000, 10, 10)}, published=labels)
    found = {one.label: (one.rule, one.frames, one.same_rule) for one in quoting.quoted(suite, task)}
    assert found == {
        "TD-MPC2": ("evaluation@500k", 500_000, True),
        "Simulus": ("evaluation@last", 1_000_000, False),
        "DreamerV3 (2023 release)": ("training@470k-490k", 490_000, False),
    }
    suite = make_suite(task, budgets={"paper": Budget(4_000_000, 50_000, 10, 10)}, published=labels[:1])
    assert [(one.rule, one.same_rule) for one in quoting.quoted(suite, task)] == [("evaluation@last", True)]


def test_published_aggregates_are_the_papers(write, root: Path, make_suite: Callable[..., Suite]):
    tasks = sorted({score.task for score in published.scores() if score.rule == "reference" and "atari" in score.task})
    references = {task: published.references(task) for task in tasks}
    suite = make_suite(*tasks, references=references, published=("Simulus", "DreamerV3 (2024 release)"))
    for task in tasks[:2]:
        write(task, seed=0)
    found = {one.label: one for one in snapshot.take(root, suite).views[0].aggregates()}
    simulus, dreamer = found["Simulus"].estimates, found["DreamerV3 (2024 release)"].estimates
    means = [simulus[name].value for name in ("mean", "median", "IQM")]
    assert means == pytest.approx([1.645, 0.982, 0.990], abs=5e-4)
    assert [dreamer[name].value for name in ("mean", "median")] == pytest.approx([1.247, 0.494], abs=5e-4)
    assert "IQM" not in dreamer  # not every seed has an episode in the window


def test_a_hundred_runs_take_seconds(write, root: Path, make_suite: Callable[..., Suite]):
    tasks = [f"atari/game_{number}" for number in range(10)]
    for task in tasks:
        for seed in range(5):
            write(task, "learner", seed, final=1.0 + seed)
            write(task, "random", seed, final=0.1 * seed)
    suite = make_suite(*tasks, references=dict.fromkeys(tasks, (0.0, 2.0)))
    start = time.process_time()
    written(root, suite)
    assert time.process_time() - start < 10


def test_a_copy_of_a_run_counts_once(write, root: Path, toy: Suite):
    for seed in range(3):
        original = write(seed=seed, final=1.0 + seed)
    shutil.copytree(original, original.with_name("copy"))
    (row,) = snapshot.take(root, toy).views[0].rows
    assert [one.seed for one in row.runs] == [0, 1, 2]
    text = written(root, toy)
    assert "a copy of toy/reach/learner/copy" in text or f"a copy of {original.relative_to(root).as_posix()}" in text
    assert len(Document(text).ids) == len(set(Document(text).ids))


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_return_that_is_no_number_is_said(write, root: Path, toy: Suite, value: str):
    for seed in range(2):
        folder = write(seed=seed)
    events = folder / "events.jsonl"
    events.write_text(re.sub(r'"return":[^,]+', f'"return":{value}', events.read_text(), count=1))
    text = written(root, toy)
    assert "the return at 250 frames is" in text
    assert str(root) not in text


def test_a_run_that_is_being_written_is_shown_as_far_as_it_is(write, root: Path, toy: Suite):
    folder = write(seed=0)
    events = folder / "events.jsonl"
    events.write_text(events.read_text()[:-20])
    assert "toy/reach" in written(root, toy)


def test_what_cannot_be_compared_over_tasks_is_said(write, root: Path, make_suite: Callable[..., Suite]):
    write("toy/reach", seed=0)
    assert "No agent has scores on two tasks or more yet" in written(root, make_suite())
    assert "toy has one task" in written(root, make_suite("toy/reach"))
    assert "toy has no normalisation" in written(root, make_suite(references={}))
    mixed = make_suite("toy/reach", "atari/pong", references=dict.fromkeys(("toy/reach", "atari/pong"), (0.0, 1.0)))
    assert "toy mixes protocols" in written(root, mixed)
    assert "These tasks belong to no suite" in written(root, None)


def test_mixed_versions_and_devices_are_said(write, root: Path, toy: Suite):
    write(seed=0)
    record = write(seed=1) / "run.json"
    record.write_text(record.read_text().replace('"numpy": "2.0"', '"numpy": "2.1"').replace("a processor", "another"))
    text = written(root, toy)
    assert "Runs were made with different versions of libraries: numpy 2.0 and 2.1." in text
    assert "Runs come from 2 kinds of device: cpu: a processor, cpu: another." in text


def test_every_number_of_the_hover_is_finite_and_every_card_has_its_own(mixed: Path, toy: Suite):
    text = written(mixed, toy)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data = json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} in the page's data"))
    assert set(data["cards"]) == {name for name in Document(text).ids if name.startswith("card-")}
    labels = {one["label"] for one in data["cards"]["card-toy-0"]["series"]}
    assert {"learner · small", "random · small"} <= labels


def test_media_stand_on_the_page_while_they_are_small(write, root: Path, toy: Suite):
    for seed in range(2):
        folder = write(seed=seed) / "media"
        folder.mkdir()
        (folder / "dream.png").write_bytes(b"small")
        (folder / "film.mp4").write_bytes(bytes(media.LARGEST + 1))
    text = written(root, toy)
    assert text.count("data:image/png;base64,c21hbGw=") == 1  # one run stands for its agent
    assert "Too large for this page" in text
    assert "data:video" not in text
    assert Document(text).outside == []


def test_runs_of_two_suites_stand_once_below(write, root: Path, make_suite: Callable[..., Suite]):
    for seed in range(3):
        write(seed=seed)
    text = written(root, None, (make_suite("toy/reach", name="toy"), make_suite("toy/reach", "toy/maze", name="toys")))
    ids = Document(text).ids
    assert len(ids) == len(set(ids))
    assert sum(one.startswith("run-") for one in ids) == 3


def test_names_at_the_edge_do_not_overlap():
    assert look.apart([0.0, 5.0], 1.0, 0.0, 10.0) == [0.0, 5.0]
    for values in ([5.0, 5.0, 5.0], [0.0, 0.1, 0.2, 9.9, 10.0], [9.8, 9.9, 10.0]):
        places = look.apart(values, 1.0, 0.0, 10.0)
        assert all(b - a >= 1.0 - 1e-9 for a, b in zip(places, places[1:], strict=False)), places
        assert places[0] >= 0.0
        assert places[-1] <= 10.0
    assert look.apart([5.0, 5.0, 5.0], 1.0, 0.0, 10.0) == [4.0, 5.0, 6.0]


def test_terminal_table(mixed: Path, toy: Suite):
    console = Console(width=80, file=io.StringIO())
    console.print(tables.terminal(mixed, toy))
    text = console.file.getvalue()
    assert re.search(r"toy/maze *\n  learner +15\.0 \[10\.0, 18\.0\] +0\.500 +2 of 4: 1 +10,000 +small", text)
    assert "wiring only" in text


def test_terminal_table_of_an_empty_store(root: Path, toy: Suite):
    console = Console(width=80, file=io.StringIO())
    console.print(tables.terminal(root, toy))
    assert "toy: no runs yet" in console.file.getvalue()


def test_markdown_and_csv(mixed: Path, toy: Suite):
    rows = snapshot.take(mixed, toy).views[0].rows
    lines = tables.markdown(rows).splitlines()
    assert lines[0] == "| task | agent | score | normalised | runs | frames | scale |"
    assert sum(line.startswith("| toy/") for line in lines) == len(rows)
    read = list(csv.DictReader(io.StringIO(tables.to_csv(scores.measured(rows)))))
    assert len(read) == 14
    assert all(row["rule"] == "evaluation@last" and row["source"].startswith("run ") for row in read)


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0001, "0"), (0.494, "0.494"), (1.645, "1.65"), (-20.7, "-20.7"), (1117.67, "1,118")]
)
def test_numbers(value: float, text: str):
    assert tables.number(value) == text


def test_a_frame_of_the_store(mixed: Path, tmp_path: Path):
    frame = load(mixed)
    one = frame[(frame.agent == "learner:wide")]
    assert (one.kind == "evaluation").sum() == 6 * 5
    assert (one.kind == "training").sum() == 24
    assert one.frames.max() == 6_000
    with pytest.raises(FileNotFoundError, match="--runs"):
        load(tmp_path / "nothing")


def test_the_training_path_needs_none_of_it():
    """Neither the package, its word on what is missing, nor the terminal's table import the heavy packages."""
    code = (
        "import sys, bench.results, bench.report, bench.report.tables; bench.report.available();"
        "heavy = ('pandas', 'matplotlib', 'rliable', 'jinja2', 'arch', 'torch');"
        "print([name for name in heavy if name in sys.modules])"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch):
    assert report.available() is None
    monkeypatch.setattr(report, "PACKAGES", ("jinja2", "no_such_package"))
    assert (report.available() or "").startswith("no page written: no_such_package cannot be imported here.")
