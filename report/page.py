"""The page: one self-contained HTML file, a pure function of a store's snapshot."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.report import cautions, costs, figures, look, media, published, snapshot, tables
from bench.report.costs import Cost
from bench.report.look import Look, Panel
from bench.report.media import Clip
from bench.report.published import Quoted
from bench.report.scores import RULE, Row
from bench.report.snapshot import Aggregate, Snapshot, View
from bench.results import atomic
from bench.results.reader import Run
from bench.results.schema import Suite

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Card:
    """One panel on the page."""

    id: str
    title: str
    svg: str
    alt: str
    note: str
    hover: dict[str, Any]  # what page.js needs to tell values


@dataclass(frozen=True)
class Task:
    """A task's curves, rows and published scores."""

    name: str
    card: Card
    rows: list[Row]
    quoted: list[Quoted]


@dataclass(frozen=True)
class Section:
    """A view, ready to be written down."""

    id: str
    view: View
    facts: list[tuple[str, str]]
    cautions: list[str]
    aggregates: list[Aggregate]
    cards: list[list[Card]]  # over tasks, by row
    tasks: list[Task]
    costs: list[Cost]
    clips: list[Clip]
    too_large: list[str]

    @property
    def brief(self) -> str:
        """The protocol box in one line."""
        return ", ".join(fact for term, fact in self.facts if term in ("Protocols", "Scale", "Score"))

    def hours(self, row: Row) -> float | None:
        """Mean hours of a row's complete runs."""
        known = [self.view.clocks[one.run.path].total for one in row.counted if one.run.path in self.view.clocks]
        return sum(known) / len(known) if known else None


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
    looks = figures.all_looks(taken.views)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": tables.number, "score": tables.text, "duration": duration}
    environment.globals |= {"row_id": row_id, "run_id": run_id, "agent_id": agent_id, "seeds": seeds}
    room = media.TOGETHER
    sections = []
    for view in taken.views:
        sections.append(_section(view, looks, root, room))
        room -= sum(len(clip.data) * 3 // 4 for clip in sections[-1].clips)
    cards = [card for one in sections for several in one.cards for card in several]
    cards += [task.card for one in sections for task in one.tasks]
    return environment.get_template("page.html.j2").render(
        sections=sections,
        looks=looks,
        swatches="".join(look.swatch(one) for one in looks.values()),
        agents=_agents(taken),
        sessions=_sessions(taken),
        session_of=_session_key,
        problems=[
            (problem.path.relative_to(root).as_posix(), problem.reason.replace(f"{root}{os.sep}", ""))
            for problem in taken.problems
        ],
        elsewhere=taken.elsewhere,
        data=_script({"colours": [one.colour for one in looks.values()], "cards": {c.id: c.hover for c in cards}}),
    )


def row_id(row: Row) -> str:
    """Anchor of the runs behind a row."""
    return "runs-" + _hash(row.task, row.protocol, row.scale, row.label)


def agent_id(one: Row | Aggregate | Cost) -> str:
    """Anchor of all runs of an agent at a scale."""
    return "agent-" + _hash(one.scale, one.label)


def run_id(run: Run) -> str:
    return f"run-{run.record.identity.digest}"


def _hash(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:8]


def duration(hours: float | None) -> str:
    """ "48 s", "12 min", "3.4 h"."""
    if hours is None:
        return "–"
    if hours < 1 / 60:
        return f"{3600 * hours:.0f} s"
    return f"{60 * hours:.0f} min" if hours < 1 else f"{tables.number(hours)} h"


def seeds(row: Row) -> str:
    """What each seed scored, in words."""
    return ", ".join(f"seed {one.seed}: {tables.number(one.point.value) if one.point else '–'}" for one in row.runs)


def _section(view: View, looks: Mapping[str, Look], root: Path, room: int) -> Section:
    title = view.suite.name if view.suite else "other"
    aggregates = figures.ranked(view.aggregates())
    clips, left = media.of(view.rows, room)
    said = cautions.of(view)
    first: list[Panel] = []
    others: list[Panel] = []
    for name, made in figures.FIGURES.items():
        if name != "tasks" and view.rows and not view.incomparable:
            try:
                (first if name == "aggregates" else others).extend(made(view, looks))
            except figures.Unavailable as reason:
                said.append(str(reason))
    rows = [[_card(one, f"{title}-{n}{k}") for k, one in enumerate(each)] for n, each in (("a", first), ("b", others))]
    return Section(
        id=f"suite-{title}",
        view=view,
        facts=_facts(view),
        cautions=said,
        aggregates=aggregates,
        cards=[each for each in rows if each],
        tasks=[
            Task(
                panel.title,
                _card(panel, f"{title}-{number}"),
                [row for row in view.rows if row.task == panel.title],
                published.quoted(view.suite, panel.title) if view.suite else [],
            )
            for number, panel in enumerate(figures.tasks(view, looks))
        ],
        costs=costs.of(view.rows, view.clocks),
        clips=clips,
        too_large=[path.relative_to(root).as_posix() for path in left],
    )


def _card(panel: Panel, identifier: str) -> Card:
    drawing = look.draw(panel, identifier)
    hover = {
        "box": [_round(side) for side in drawing.box],
        "limits": [_round(side) for side in drawing.limits],
        "log": drawing.log,
        "series": [
            {
                "a": "quoted" if one.agent is None else one.agent,
                "label": one.label,
                "x": [_round(value) for value in one.x],
                "y": [_round(value) for value in one.y],
                "band": [[_round(value) for value in side] for side in one.band] if one.band else None,
            }
            for one in panel.series
        ],
    }
    return Card(f"card-{identifier}", panel.title, drawing.svg, panel.alt, panel.note, hover)


def _round(value: float) -> float:
    """Four significant digits, as JSON's shortest spelling."""
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short


def _script(data: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


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


def _agents(taken: Snapshot) -> dict[str, list[Row]]:
    """Every row once under its agent's anchor, for the list of runs: a run may serve several suites."""
    rows = {row_id(row): row for view in taken.views for row in view.rows}
    found: dict[str, list[Row]] = {}
    for row in sorted(rows.values(), key=lambda row: (row.label, row.scale)):
        found.setdefault(agent_id(row), []).append(row)
    return found


def _sessions(taken: Snapshot) -> dict[str, tuple[int, dict[str, Any]]]:
    """What runs were started with, each combination once: {key: (number, a session of that kind)}."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for view in taken.views:
        for run in view.runs:
            for session in run.record.sessions:
                found.setdefault(_session_key(session), (len(found) + 1, session))
    return found


def _session_key(session: Mapping[str, Any]) -> str:
    return json.dumps({k: v for k, v in session.items() if k not in ("start", "end")}, sort_keys=True, default=str)
