"""Learning curves drawn as SVG that takes its colours from the page, so that one drawing serves light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.report.curves import Line

# Okabe and Ito's colour-blind safe palette without black, the order chosen so that neighbours differ in lightness too.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
DASHES = ("-", "--", "-.", ":")  # once around the palette
_INK, _MUTED, _FAINT = "#010203", "#040506", "#070809"  # stand-ins, replaced by the page's CSS variables
_VARIABLES = {_INK: "--ink", _MUTED: "--muted", _FAINT: "--faint"} | {c: f"--c{n}" for n, c in enumerate(PALETTE)}
_QUOTED_DASHES = ((4, 2), (1.5, 1.5), (6, 2, 1.5, 2), (3, 1, 1, 1, 1, 1), (8, 3), (2, 4))

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "font.size": 9.5,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "text.color": _INK,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}


class Style(NamedTuple):
    """How one agent looks on the whole page."""

    colour: int  # index into PALETTE
    dash: int  # index into DASHES


class Level(NamedTuple):
    """A horizontal level: a reference, or a published score without a curve here."""

    label: str
    value: float
    reference: bool


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """One style per label, by their order."""
    return {name: Style(n % len(PALETTE), n // len(PALETTE) % len(DASHES)) for n, name in enumerate(labels)}


def curves(
    lines: Sequence[Line],
    quoted: Sequence[Line],
    levels: Sequence[Level],
    looks: Mapping[str, Style],
    end: float,
    unit: str,
    name: str,
) -> str:
    """One task's learning curves as an `<svg>` element whose ids begin with `name`.

    lines: measured, in their agents' colours, the interval as a band, or each run as points where there are too few.
    quoted: published, grey and dashed. levels: grey, labelled at the right edge. end: frames.
    """
    named = [(float(line.mean[-1]), _short(line.label)) for line in quoted]
    named += [(level.value, _short(level.label)) for level in levels]
    margin = max((len(label) for _, label in named), default=0) * 0.0122 + 0.07
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.4, 2.8))
        axes = figure.add_axes((0.125, 0.155, 0.865 - margin, 0.815))
        for line in lines:
            _draw(axes, line, looks[line.label])
        for number, line in enumerate(quoted):
            dashes = _QUOTED_DASHES[number % len(_QUOTED_DASHES)]
            axes.plot(line.frames, line.mean, color=_MUTED, lw=1.1, dashes=dashes, zorder=2)
        for level in levels:
            dash = (0, (1, 2)) if level.reference else (0, (5, 4))
            axes.axhline(level.value, color=_MUTED, lw=0.9, ls=dash, zorder=1)
        axes.set_xlim(0, end * 1.005)
        axes.margins(y=0.06)
        axes.set_xlabel("frames", labelpad=2)
        axes.set_ylabel(unit, labelpad=3)
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(_tick))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(length=2.5, labelsize=8.5)
        _name_at_edge(axes, named)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _embed(out.getvalue(), name)


def _draw(axes: Axes, line: Line, look: Style) -> None:
    colour, dash = PALETTE[look.colour], DASHES[look.dash]
    few = line.band is None
    for frames, values in line.seeds:
        axes.plot(
            frames,
            values,
            color=colour,
            lw=0.7,
            alpha=0.55 if few else 0.3,
            marker="o" if few else None,
            ms=2.2,
            zorder=3,
        )
    if line.band is not None:
        axes.fill_between(line.frames, *line.band, color=colour, alpha=0.18, lw=0, zorder=3)
    if len(line.frames) == 1:  # one evaluation makes no line: a point with its interval, also on the right edge
        if line.band is not None:
            axes.plot(line.frames.repeat(2), np.ravel(line.band), color=colour, lw=1.2, clip_on=False, zorder=4)
        axes.plot(line.frames, line.mean, color=colour, marker="o", ms=4.5, ls="", clip_on=False, zorder=4)
    elif len(line.frames):
        axes.plot(line.frames, line.mean, color=colour, lw=1.8, ls=dash, zorder=4)


def _tick(value: float, _: int | None) -> str:
    """0.5, 20, 1.5k, 4M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _short(label: str) -> str:
    return label if len(label) <= 25 else label[:24] + "…"


def _name_at_edge(axes: Axes, named: Sequence[tuple[float, str]]) -> None:
    """Names beside the right edge, each joined to its value by a short line, pushed apart where they would overlap."""
    ordered = sorted(named)
    low, high = axes.get_ylim()
    places = _apart([value for value, _ in ordered], (high - low) * 0.066, low, high)
    beside = axes.get_yaxis_transform()
    for (value, label), place in zip(ordered, places, strict=True):
        axes.plot((1.005, 1.04), (value, place), color=_MUTED, lw=0.5, transform=beside, clip_on=False)
        axes.text(1.05, place, label, transform=beside, va="center", fontsize=7.3, color=_MUTED)
    axes.set_ylim(low, high)


def _apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
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


def _embed(svg: str, name: str) -> str:
    """From a stand-alone SVG file to an element of a page: no prologue, own ids, the page's colours, any width."""
    element = svg[svg.index("<svg") :]
    for tag in (
        "metadata",
        "style",
    ):  # a style element would reach the whole page; the page's own sheet has these lines
        element = re.sub(rf"<{tag}\b.*?</{tag}>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", element)
    element = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', element, count=1)
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, f"var({variable})")
    return element.strip()
