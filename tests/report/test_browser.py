"""The page in a real browser: what a reader does with it at four widths, and that nothing leaves the file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.benchmarks.suites import toy
from bench.report import page
from bench.tests.report.browser import CHROMIUM, Browser
from bench.tests.report.conftest import write_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page was looked at by no browser"),
]
WIDTHS = (360, 900, 1200, 1600)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real runs of two numpy agents with a film, and beside them a diverged, a missing and a two-seed one."""
    root = tmp_path_factory.mktemp("browser") / "runs"
    bench = [sys.executable, "-m", "bench"]
    asked = ["run", "--agents", "linear_q,random", "--suite", "toy", "--tasks", "toy/reach,toy/maze"]
    asked += ["--seeds", "3", "--scale", "tiny", "--frames", "4000", "--jobs", "1", "--runs", str(root)]
    subprocess.run(bench + asked, check=True, capture_output=True, env={**os.environ, "BENCH_CHECKPOINT_TICKS": "0"})
    (filmed,) = (root / "toy/reach/random").glob("s0-*")
    evaluate = ["evaluate", str(filmed), "--episodes", "1", "--video"]
    subprocess.run(bench + evaluate, check=True, capture_output=True)
    for task, (low, high) in ((task, toy.suite.references[task]) for task in ("toy/reach", "toy/maze")):
        for seed in range(2):
            lost = task == "toy/maze" and seed == 1
            write_run(
                root,
                task,
                "two_seeds",
                seed,
                start=low,
                final=high,
                frames=4_000,
                points=2,
                scale="tiny",
                status="diverged" if lost else "finished",
                reason="loss became nan" if lost else "",
                upto=2_000 if lost else None,
            )
    return page.write_page(root, toy.suite, root.parent / "page.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_nothing_leaves_the_file(browser: Browser, html: Path, width: int, dark: bool, tmp_path: Path):
    browser.errors.clear()
    browser.requests.clear()
    browser.open(html, width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.errors == []
    assert [one for one in browser.requests if not one.startswith("data:")] == [html.as_uri()]
    assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    browser.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 50_000


def column(browser: Browser, number: int) -> list[str]:
    """The cells of a column of the task table, of the rows that are shown."""
    rows = "[...document.querySelector('table.scores').tBodies[0].rows].filter((row) => row.offsetParent)"
    return [str(cell) for cell in browser.run(f"{rows}.map((row) => row.cells[{number}].textContent.trim())")]


def numbers(cells: list[str]) -> list[float]:
    """The number that each cell begins with."""
    return [float(found[0]) for cell in cells if (found := re.match(r"-?[\d.]+", cell))]


def press(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({selector!r}).click()")


@pytest.mark.parametrize("width", WIDTHS)
def test_sorting(browser: Browser, html: Path, width: int):
    browser.open(html, width)
    button = "table.scores thead th:nth-child(3) button"
    press(browser, button)
    falling = numbers(column(browser, 2))
    assert falling == sorted(falling, reverse=True)
    assert len(falling) == 6
    press(browser, button)
    rising = numbers(column(browser, 2))
    assert rising == sorted(rising)
    press(browser, "table.scores thead th:nth-child(2) button")
    assert column(browser, 1) == sorted(column(browser, 1))


@pytest.mark.parametrize("width", WIDTHS)
def test_filtering(browser: Browser, html: Path, width: int):
    browser.open(html, width)
    drawn = "[...document.querySelectorAll('svg [data-a=\"0\"]')].some((one) => one.getClientRects().length)"
    assert browser.run(drawn)
    press(browser, '[data-agent="0"]')
    assert set(column(browser, 1)) == {"random", "two_seeds"}
    assert not browser.run(drawn)
    typed = "one.value = 'MAZE'; one.dispatchEvent(new Event('input'))"
    browser.run(f"{{ const one = document.getElementById('tasks'); {typed} }}")
    assert column(browser, 1) == ["random", "two_seeds"]
    assert browser.run("document.querySelector('.shown').textContent") == "2 of 6 rows shown."
    assert browser.run("document.querySelectorAll('figure[data-task]:not([hidden])').length") == 1
    press(browser, '[data-agent="0"]')
    assert len(column(browser, 1)) == 3


def test_values_on_hover_and_the_runs_behind_a_number(browser: Browser, html: Path):
    browser.open(html, 900)
    place = "document.querySelector('#card-toy-0 .plot')"
    browser.run(f"{place}.scrollIntoView()")
    box = browser.run(f"(({{x, y, width, height}}) => [x, y, width, height])({place}.getBoundingClientRect())")
    x, y, width, height = box
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + width * 0.6, y=y + height / 2)
    shown = browser.run("document.querySelector('.tip').innerText")
    assert "linear_q" in shown
    assert "two_seeds" in shown
    press(browser, "table.scores tbody a.num")
    browser.run("new Promise((done) => setTimeout(done, 200))")
    assert browser.run("document.querySelector('details.runs[open]').id === location.hash.slice(1)")
    assert browser.errors == []


def test_the_film_plays(browser: Browser, html: Path):
    browser.open(html, 900)
    wide = browser.run(
        "new Promise((done) => { const film = document.querySelector('video');"
        " film.onerror = () => done(film.error.message); film.play().then(() => done(film.videoWidth)) })"
    )
    assert wide == 256
