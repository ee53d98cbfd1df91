"""The page: one self-contained HTML file, a pure function of a store's snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.report import cautions, curves, figures, published, snapshot, tables
from bench.report.figures import Level, Style
from bench.report.published import Quoted
from bench.report.scores import RULE, Row
from bench.report.snapshot import Snapshot, View
from bench.results import atomic
from bench.results.reader import Run
from bench.results.schema import Suite

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Card:
    """One task's figure and what was published on it."""

    task: str
    id: str
    svg: str
    alt: str
    quoted: list[Quoted]


@dataclass(frozen=True)
class Section:
    """A view, ready to be written down."""

    id: str
    view: View
    facts: list[tuple[str, str]]
    cautions: list[str]
    legend: list[tuple[str, Style]]
    cards: list[Card]


def write_page(root: Path, suite: Suite | None, out: Path, all_suites: Sequence[Suite] = ()) -> Path:
    """Write the page of the store at `root` to `out` and return its path. OSError where it cannot be written.

    With a suite the page holds that suite's tasks, else everything, divided by the suites of `all_suites`. The same
    snapshot gives the same bytes: no clock, no path of this machine.
    """
    html = render(snapshot.take(root, suite, all_suites), root)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(out, html.encode())
    return out


def render(taken: Snapshot, root: Path) -> str:
    """The page's HTML."""
    looks = figures.styles(sorted({name(row, view) for view in taken.views for row in view.rows}))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": tables.number, "score": tables.text}
    environment.globals |= {"row_id": row_id, "run_id": run_id}
    return environment.get_template("page.html.j2").render(
        sections=[_section(view, looks) for view in taken.views],
        groups=_groups(taken),
        problems=[(problem.path.relative_to(root).as_posix(), problem.reason) for problem in taken.problems],
        elsewhere=taken.elsewhere,
    )


def name(row: Row, view: View) -> str:
    """An agent's name in a view: with its scale where there are several."""
    return f"{row.label} · {row.scale}" if len(view.scales) > 1 else row.label


def row_id(row: Row) -> str:
    """Anchor of the runs behind a row."""
    key = "\n".join((row.task, row.protocol, row.scale, row.label))
    return "runs-" + sha256(key.encode()).hexdigest()[:8]


def run_id(run: Run) -> str:
    return f"run-{run.record.identity.digest}"


def _section(view: View, looks: dict[str, Style]) -> Section:
    names = list(dict.fromkeys(name(row, view) for row in view.rows))
    title = view.suite.name if view.suite else "other"
    return Section(
        id=f"suite-{title}",
        view=view,
        facts=_facts(view),
        cautions=cautions.of(view),
        legend=[(one, looks[one]) for one in sorted(names)],
        cards=[_card(view, task, f"{title}-{number}", looks) for number, task in enumerate(view.tasks)],
    )


def _card(view: View, task: str, identifier: str, looks: dict[str, Style]) -> Card:
    rows = [row for row in view.rows if row.task == task]
    end = max(row.target for row in rows)
    lines = [curves.measured(row, name(row, view)) for row in rows]
    quoted = published.quoted(view.suite, task) if view.suite else []
    drawn = curves.quoted(view.suite, task, end) if view.suite else []
    with_curve = {line.label for line in drawn}
    levels = [Level(one.label, one.estimate.value, False) for one in quoted if one.label not in with_curve]
    if view.suite and rows[0].references:
        pairs = zip(view.suite.reference_names, rows[0].references, strict=True)
        levels += [Level(label, value, True) for label, value in pairs]
    alt = f"Learning curves on {task}: " + "; ".join(
        f"{name(row, view)} {tables.text(row.estimate)} at {row.frames or 'no'} frames" for row in rows
    )
    svg = figures.curves(lines, drawn, levels, looks, end, rows[0].unit, identifier)
    return Card(task, f"card-{identifier}", svg, alt, quoted)


def _facts(view: View) -> list[tuple[str, str]]:
    """The protocol box."""
    suite, rows = view.suite, view.rows
    facts = []
    if suite:
        facts += [("Measures", suite.measures), ("Source", suite.source), ("Cite", suite.citation)]
    facts.append(("Protocols", _joined(row.protocol for row in rows) or "no runs yet"))
    facts.append(("Scale", ", ".join(view.scales) or "no runs yet"))
    facts.append(("Budget", _joined(f"{row.target:,} frames ({row.scale})" for row in rows) or _planned(suite)))
    facts.append(("Score", f"{suite.rule}, {suite.unit}" if suite else f"{RULE}, return"))
    episodes = sorted({one.point.episodes for row in rows for one in row.counted if one.point})
    facts.append(("Episodes", " or ".join(map(str, episodes)) + " per run's score" if episodes else "none yet"))
    if suite and suite.references:
        low, high = suite.reference_names
        facts.append(("Normalised", f"0 = {low}, 1 = {high}"))
    facts.append(("Intervals", "95 % percentile bootstrap over runs, 2,000 resamples"))
    return facts


def _planned(suite: Suite | None) -> str:
    budgets = suite.budgets if suite else {}
    return _joined(f"{budget.frames:,} frames ({scale})" for scale, budget in budgets.items())


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _groups(taken: Snapshot) -> list[Row]:
    """Every row once, for the list of runs: a run may serve several suites."""
    return list({row_id(row): row for view in taken.views for row in view.rows}.values())
