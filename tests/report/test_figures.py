"""The figures: what they draw, what they refuse, and that a file depends on the snapshot alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.report import bootstrap, costs, efficiency, figures, look, snapshot
from bench.report.snapshot import View
from bench.results.schema import Suite

Make = Callable[..., Suite]


@pytest.fixture
def two(write, root: Path, toy: Suite) -> View:
    """Two agents on two tasks with three seeds; `weak` stops half-way up."""
    for task, low, high in (("toy/reach", 0.0, 2.0), ("toy/maze", 10.0, 20.0)):
        for seed in range(3):
            write(task, "learner", seed, start=low, final=low + (high - low) * (0.7 + 0.1 * seed))
            write(task, "weak", seed, start=low, final=low + (high - low) * (0.2 + 0.1 * seed))
    return snapshot.take(root, toy).views[0]


def test_every_figure_is_a_file_of_its_kind_and_the_same_again(two: View, root: Path, toy: Suite, tmp_path: Path):
    for name in figures.FIGURES:
        svg = [figures.write(name, root, toy, tmp_path / f"{n}" / f"{name}.svg").read_bytes() for n in (1, 2)]
        assert svg[0] == svg[1]
        assert svg[0].startswith(b"<?xml")
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF"}
    for suffix, start in starts.items():
        made = [figures.write("hours", root, toy, tmp_path / f"{n}" / f"f{suffix}").read_bytes() for n in (1, 2)]
        assert made[0] == made[1]
        assert made[0].startswith(start)


def test_names_of_any_length_leave_room_for_the_axes(write, root: Path, toy: Suite, tmp_path: Path):
    sets = ",".join(f"collection.setting_{n}=0.{n}{n}{n}" for n in range(12))
    for task in ("toy/reach", "toy/maze"):
        for variant in (sets, f"{sets},temperature=1"):
            write(task, "learner", variant=variant)
    view = snapshot.take(root, toy).views[0]
    for panel in (*figures.aggregates(view, figures.all_looks([view])), *figures.improvement(view, {})):
        drawn = look.draw(panel, "p")
        assert drawn.box[2] > 0.4 * 72 * panel.size[0]
        assert "temperature=1" in panel.alt
    drawn = figures.write("hours", root, toy, tmp_path / "f.svg").read_text()
    assert "<!-- learner:coll…" in drawn and "setting_11" not in drawn, "the legend of a file"
    assert look.short(view.entrants[0].label) != look.short(view.entrants[1].label)


def test_the_best_stands_first_in_the_aggregates(two: View):
    looks = figures.all_looks([two])
    panels = figures.aggregates(two, looks)
    assert [panel.title.split(" (")[0] for panel in panels] == ["IQM", "median", "mean", "optimality gap"]
    assert panels[0].alt.startswith("IQM: learner 0.8")
    assert "; weak 0.3" in panels[0].alt


def test_improvement_says_who_beats_whom(two: View):
    (panel,) = figures.improvement(two, figures.all_looks([two]))
    assert "learner over weak 1.00 [1.00, 1.00]" in panel.alt
    assert "weak over learner 0 [0, 0]" in panel.alt


def test_efficiency_ends_at_the_scores_iqm_on_every_axis(two: View):
    entrant = next(one for one in two.entrants if one.label == "learner")
    last = {}
    for axis in efficiency.AXES:
        line = efficiency.curve(two, entrant, axis, 0)
        assert isinstance(line, look.Series)
        assert line.y[-1] == pytest.approx(float(bootstrap.iqm(entrant.complete.matrix)), abs=1e-3)
        assert line.band is not None
        assert (line.band[0] <= line.y + 1e-9).all()
        last[axis] = line.x[-1]
    assert last == pytest.approx({"frames": 10_000, "updates": 2_500, "hours": 1.0})


def test_efficiency_counts_a_diverged_run_as_the_random_policy(write, root: Path, toy: Suite):
    for task in toy.tasks:
        for seed in range(4):
            write(task, seed=seed, start=toy.references[task][0], final=toy.references[task][1])
    write("toy/maze", seed=4, status="diverged", upto=3_000, final=20.0, start=10.0)
    write("toy/reach", seed=4, final=2.0)
    view = snapshot.take(root, toy).views[0]
    (entrant,) = view.entrants
    assert entrant.complete.seeds == (0, 1, 2, 3, 4)
    line = efficiency.curve(view, entrant, "frames", 0)
    assert isinstance(line, look.Series)
    assert line.x[-1] == 10_000  # it does not end where the diverged run ended
    assert line.y[-1] == pytest.approx(float(bootstrap.iqm(entrant.complete.matrix)), abs=1e-3)


def test_an_agent_without_updates_is_named_and_not_drawn(two: View):
    for row in two.rows:
        for one in row.runs:
            one.history.evaluation[:] = [point._replace(updates=0) for point in one.history.evaluation]
    entrant = next(one for one in two.entrants if one.label == "weak")
    assert efficiency.curve(two, entrant, "updates", 0) == "weak makes no updates"


def test_what_cannot_be_drawn_is_a_sentence(write, root: Path, make_suite: Make, tmp_path: Path):
    write(seed=0)
    for name in ("aggregates", "profiles", "improvement", "efficiency", "hours"):
        with pytest.raises(figures.Unavailable, match="two tasks"):
            figures.write(name, root, make_suite(), tmp_path / "f.svg")
    with pytest.raises(figures.Unavailable, match="No runs of suite other"):
        figures.write("tasks", root, make_suite("toy/none", name="other"), tmp_path / "f.svg")
    assert not (tmp_path / "f.svg").exists()


def test_a_drawing_on_the_page_takes_its_colours_from_it_and_says_what_is_whose(two: View):
    looks = figures.all_looks([two])
    panel = figures.tasks(two, looks)[0]
    drawing = look.draw(panel, "first")
    assert "var(--c0)" in drawing.svg
    assert "#0072b2" not in drawing.svg
    assert 'data-a="0"' in drawing.svg
    assert "optimum" in drawing.svg
    assert "<style" not in drawing.svg
    assert drawing == look.draw(panel, "first")
    assert drawing.limits[:2] == pytest.approx((0, 10_050))
    left, top, width, height = drawing.box
    assert 0 < left < left + width < 72 * panel.size[0]
    assert 0 < top < top + height < 72 * panel.size[1]


def test_looks_stay_apart_without_colour_and_beyond_the_palette():
    found = list(look.looks([str(number) for number in range(28)]).values())
    assert len({(one.colour, one.dash, one.marker) for one in found}) == 28
    assert len({(one.dash, one.marker) for one in found[:7]}) == 7


def test_the_clock_leaves_out_what_lies_between_sessions_and_keeps_repeated_work(write, root: Path, toy: Suite):
    folder = write(seed=0)
    rows = [
        (0, "start", 0), (3600, "speed", 100), (7200, "speed", 200),
        (90_000, "start", 100), (93_600, "speed", 200), (97_200, "checkpoint", 300),
    ]  # fmt: skip
    lines = [f'{{"telemetry":"{kind}","time":{1e9 + at},"tick":{tick}}}\n' for at, kind, tick in rows]
    (folder / "telemetry.jsonl").write_text("".join(lines) + '{"telemetry":"spe')
    (clock,) = snapshot.take(root, toy).views[0].clocks.values()
    assert clock.ticks.tolist() == [0, 100, 200, 300]
    assert clock.hours.tolist() == pytest.approx([0, 2, 3, 4])
    (cost,) = costs.of(snapshot.take(root, toy).views[0].rows, {folder: clock})
    assert cost.hours == pytest.approx(4)
    assert cost.rate == pytest.approx(2_500 / 4 / 3600)


def test_without_telemetry_the_sessions_tell(two: View):
    assert {clock.total for clock in two.clocks.values()} == {1.0}
    assert all(np.all(np.diff(clock.hours) > 0) for clock in two.clocks.values())
