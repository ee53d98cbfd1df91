"""One visual language for every figure: colours, dashes and markers of agents, and how a drawing becomes a file.

An agent looks the same in all figures of a page or a command, and two agents differ in more than colour. On the page a
drawing takes its colours from the page's style sheet, so that one drawing serves light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Okabe and Ito's colour-blind safe palette without black, yellow darkened for white paper; neighbours differ in
# lightness too.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a08c00")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (5, 1.5, 1.2, 1.5)), (0, (1.2, 1.4)))
MARKERS = "osD^vPX*"
QUOTED_DASHES = ((4, 2), (1.5, 1.5), (6, 2, 1.5, 2), (3, 1, 1, 1, 1, 1), (8, 3), (2, 4))  # of published agents
_APART = 0.115  # inches between two names at the right edge
INK, MUTED, FAINT = "#1b1e23", "#626b76", "#e3e5e8"
_VARIABLES = {INK: "--ink", MUTED: "--muted", FAINT: "--faint"} | {c: f"--c{n}" for n, c in enumerate(PALETTE)}
QUOTED = "agent-quoted"  # the group id of what is published
SUFFIXES = (".svg", ".png", ".pdf")

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bench",
    "pdf.fonttype": 42,
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}


class Look(NamedTuple):
    """How one agent looks everywhere."""

    number: int  # its place among all agents: what the page filters by
    colour: int  # index into PALETTE
    dash: int  # index into DASHES
    marker: int  # index into MARKERS

    def line(self, **changes: Any) -> dict[str, Any]:
        """Arguments of Axes.plot."""
        return {"color": PALETTE[self.colour], "ls": DASHES[self.dash], "gid": self.gid, **changes}

    @property
    def gid(self) -> str:
        return f"agent-{self.number}"


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """One per label, by their order. The dash changes with every agent and, after a whole palette, with the round."""
    found = {}
    for n, name in enumerate(labels):
        colour, turn = n % len(PALETTE), n // len(PALETTE)
        found[name] = Look(n, colour, (colour + turn) % len(DASHES), (colour + 3 * turn) % len(MARKERS))
    return found


class Series(NamedTuple):
    """A line whose values the page shows on hover."""

    agent: int | None  # a Look's number; None for published ones
    label: str
    x: np.ndarray  # [P]
    y: np.ndarray  # [P]
    band: tuple[np.ndarray, np.ndarray] | None = None  # low [P], high [P]


class Edge(NamedTuple):
    """A name at the right edge: of a level, or of a line that ends there."""

    value: float
    label: str
    quoted: bool  # published; else a reference


@dataclass(frozen=True)
class Panel:
    """One pair of axes: a card on the page, a cell of a figure in a file."""

    title: str
    draw: Callable[[Axes], None]
    alt: str  # what it shows, in words with its numbers
    series: tuple[Series, ...] = ()
    size: tuple[float, float] = (4.4, 2.8)  # inches
    left: float = 0.56  # inches of margin for what stands left of the axes
    below: float = 0.44
    edges: tuple[Edge, ...] = ()
    note: str = ""  # what is not drawn, and why

    def place(
        self, figure: Figure, x: float, y: float, size: tuple[float, float], above: float, named: bool = True
    ) -> Axes:
        """Axes in the cell of `size` inches whose lower left corner lies at (x, y) inches, drawn.

        named: published lines get their names at the edge; else a legend must tell them apart.
        """
        width, height = figure.get_size_inches()
        edges = [edge for edge in self.edges if named or not edge.quoted]
        right = 0.3 + 0.057 * max(len(short(edge.label)) for edge in edges) if edges else 0.15
        wide, high = size[0] - self.left - right, size[1] - self.below - above
        axes = figure.add_axes(((x + self.left) / width, (y + self.below) / height, wide / width, high / height))
        self.draw(axes)
        _name_at_edge(axes, edges, high)
        return axes


class Drawing(NamedTuple):
    """A panel on the page."""

    svg: str  # an element without width and height
    box: tuple[float, float, float, float]  # the axes in the viewBox: left, top, width, height
    limits: tuple[float, float, float, float]  # x from, x to, y from, y to
    log: bool  # whether x is logarithmic


def draw(panel: Panel, name: str) -> Drawing:
    """A panel as an `<svg>` element whose ids begin with `name`, in the page's colours."""
    with rc_context({**_STYLE, "svg.fonttype": "none"}):
        figure = Figure(figsize=panel.size)
        axes = panel.place(figure, 0, 0, panel.size, above=0.1)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    wide, high = (72 * side for side in panel.size)
    left, bottom, width, height = axes.get_position().bounds
    box = left * wide, (1 - bottom - height) * high, width * wide, height * high
    return Drawing(embed(out.getvalue(), name), box, (*axes.get_xlim(), *axes.get_ylim()), axes.get_xscale() == "log")


def save(panels: Sequence[Panel], looks: Mapping[str, Look], quoted: Mapping[str, int], out: Path) -> None:
    """Write panels as one figure to SVG, PNG or PDF by `out`'s name. Same panels, same bytes.

    looks: the measured agents of the legend. quoted: the dashes of published ones, which go into the legend where the
    panels are too many for names at their edges. OSError where it cannot be written.
    """
    columns = min(len(panels), 2 if len(panels) == 4 else 3)
    rows = -(-len(panels) // columns)
    named = len(panels) <= 3
    width = panels[0].size[0] if named else 0.82 * panels[0].size[0]
    note = 0.2 if any(panel.note for panel in panels) else 0.0
    height, above = panels[0].size[1] + note, 0.36
    with rc_context({**_STYLE, "svg.fonttype": "path"}):
        handles = [_handle(label, look) for label, look in looks.items()]
        if not named:
            handles += [_quoted_handle(label, dash) for label, dash in quoted.items()]
        across = max(1, int(columns * width / 1.9))
        foot = 0.12 + 0.2 * -(-len(handles) // across) if handles else 0.0
        figure = Figure(figsize=(columns * width, rows * height + foot), facecolor="white")
        for number, panel in enumerate(panels):
            x, y = number % columns * width, foot + (rows - 1 - number // columns) * height
            axes = panel.place(figure, x, y + note, (width, height - note), above, named)
            axes.set_title(panel.title, fontsize=9.5, fontweight="bold", loc="left", x=0, pad=7)
            place = (x + panel.left) / (columns * width), (y + 0.08) / (rows * height + foot)
            figure.text(*place, panel.note, fontsize=7.8, color=MUTED)
        if handles:
            figure.legend(handles=handles, loc="lower center", ncols=across, frameon=False, handlelength=3)
        # a suffix's own key for the date and the program that a file would otherwise name
        metadata = {
            ".svg": {"Date": None, "Creator": None},
            ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
            ".png": {"Software": None},
        }[out.suffix]
        figure.savefig(out, dpi=200, metadata=metadata)


def _handle(label: str, look: Look) -> Line2D:
    return Line2D([], [], **look.line(lw=1.8, marker=MARKERS[look.marker], ms=4.5, label=short(label)))


def _quoted_handle(label: str, dash: int) -> Line2D:
    return Line2D([], [], color=MUTED, lw=1.1, ls=quoted_dash(dash), label=f"{label}, published")


def swatch(look: Look) -> str:
    """An agent's line and marker in the page's colours, as a `<symbol>` that the page uses by its id, swatch-NUMBER."""
    with rc_context({**_STYLE, "svg.fonttype": "none"}):
        figure = Figure(figsize=(0.46, 0.16))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.plot([0.02, 0.98], [0.5, 0.5], **look.line(lw=1.6, gid=None, clip_on=False))
        axes.plot([0.5], [0.5], **look.line(marker=MARKERS[look.marker], ms=5, gid=None, clip_on=False))
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    name = f"swatch-{look.number}"
    element = embed(out.getvalue(), name).replace("<svg ", f'<symbol id="{name}" ', 1)
    return element.removesuffix("</svg>") + "</symbol>"


def quoted_dash(number: int) -> tuple[int, tuple[float, ...]]:
    """The dash of a suite's published agent by its place in the suite's list."""
    return 0, QUOTED_DASHES[number % len(QUOTED_DASHES)]


def with_markers(axes: Axes, x: np.ndarray, y: np.ndarray, look: Look) -> None:
    """A line with about five of its agent's markers, staggered between agents so that they do not cover each other."""
    step = max(1, len(x) // 5)
    every = (look.number * 2 % step, step)
    axes.plot(x, y, **look.line(lw=1.7, marker=MARKERS[look.marker], ms=4, markevery=every, zorder=4))


def short(label: str) -> str:
    """At most 25 characters, its beginning and its end."""
    return label if len(label) <= 25 else f"{label[:12]}…{label[-12:]}"


def _name_at_edge(axes: Axes, edges: Sequence[Edge], tall: float) -> None:
    """Names beside the right edge of axes `tall` inches high, each joined to its value by a short line."""
    if not edges:
        return
    ordered = sorted(edges)
    low, high = axes.get_ylim()
    places = apart([edge.value for edge in ordered], (high - low) * _APART / tall, low, high)
    beside = axes.get_yaxis_transform()
    for edge, place in zip(ordered, places, strict=True):
        gid = QUOTED if edge.quoted else None
        axes.plot((1.005, 1.04), (edge.value, place), color=MUTED, lw=0.5, transform=beside, clip_on=False, gid=gid)
        text = axes.text(1.05, place, short(edge.label), transform=beside, va="center", fontsize=7.8, color=MUTED)
        text.set_gid(gid)
    axes.set_ylim(low, high)


def apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places near to ascending `values`, at least `gap` apart, within [low, high] if there is room.

    Places that meet are pooled into a block around the mean of what its members wish for.
    """
    blocks: list[list[float]] = []  # what each member wishes the block's first place to be

    def start(block: list[float]) -> float:
        return min(max(sum(block) / len(block), low), high - gap * (len(block) - 1))

    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and start(blocks[-2]) + gap * len(blocks[-2]) > start(blocks[-1]):
            last, before = blocks.pop(), blocks.pop()
            blocks.append(before + [wish - gap * len(before) for wish in last])
    return [start(block) + gap * n for block in blocks for n in range(len(block))]


def tick(value: float, _: int | None = None) -> str:
    """0.5, 20, 1.5k, 4M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def embed(svg: str, name: str) -> str:
    """From a stand-alone SVG file to an element of a page: no prologue, own ids, the page's colours, any width.

    What belongs to one agent carries `data-a`; coordinates are rounded to a tenth of a point.
    """
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<!--.*?-->\s*", "", element, flags=re.DOTALL)
    for tag in ("metadata", "style"):  # a style element would reach the whole page; its own sheet has these lines
        element = re.sub(rf"<{tag}\b.*?</{tag}>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r'<g id="agent-(\w+)">', r'<g data-a="\1">', element)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', element))
    element = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", element)
    element = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", element)
    element = re.sub(r"-?\d+\.\d{2,}(?=[\s\"])", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), element)
    element = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', element, count=1)
    element = re.sub(r"\s*\n\s*", "\n", element)
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, f"var({variable})")
    return element.strip()
