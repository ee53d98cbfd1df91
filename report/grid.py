"""A table as data, and as Markdown, LaTeX (booktabs) and CSV. Every table of the report is one of these."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from bench.report.statistics import Estimate
from bench.report.tables import number

Format = Literal["markdown", "latex", "csv"]
FORMATS: tuple[str, ...] = get_args(Format)
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
}
_LATEX_SIGNS = {"±": r"$\pm$", "–": "--", "×": r"$\times$", "≥": r"$\geq$", "→": r"$\to$"}


@dataclass(frozen=True)
class Cell:
    """A number in a table, None where there is none."""

    value: float | None
    low: float | None = None  # of its interval
    high: float | None = None
    std: float | None = None
    decimals: int | None = None  # None: three or four significant digits
    best: bool = False
    wiring: bool = False  # shows that everything runs, not that anything was learned

    @classmethod
    def of(cls, estimate: Estimate | None, decimals: int | None = None) -> Cell:
        if estimate is None:
            return cls(None)
        low, high = estimate.interval or (None, None)
        return cls(estimate.value, low, high, decimals=decimals)

    def text(self, intervals: bool = True) -> str:
        """ "50.3 [41.0, 61.2]", "906 ± 21", "–"."""
        if self.value is None:
            return "–"
        shown = self._number(self.value)
        if self.std is not None:
            shown += f" ± {self._number(self.std)}"
        if intervals and self.low is not None and self.high is not None:
            shown += f" [{self._number(self.low)}, {self._number(self.high)}]"
        return shown + "*" * self.wiring

    def _number(self, value: float) -> str:
        return number(value) if self.decimals is None else f"{value:,.{self.decimals}f}"


@dataclass(frozen=True)
class Grid:
    """A table: `rows` are as long as `head`; each begins with its name."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    notes: tuple[str, ...] = ()
    intervals: bool = True
    rules: tuple[int, ...] = ()  # rows before which a line is drawn

    def render(self, form: Format) -> str:
        return {"markdown": self.markdown, "latex": self.latex, "csv": self.csv}[form]()

    def markdown(self) -> str:
        """GitHub's table with the title above and the notes below."""

        def shown(cell: str | Cell) -> str:
            plain = (cell if isinstance(cell, str) else cell.text(self.intervals)).replace("|", "\\|")
            plain = plain.replace("*", "\\*") if isinstance(cell, Cell) else plain
            return f"**{plain}**" if isinstance(cell, Cell) and cell.best else plain

        table = [[name.replace("|", "\\|") for name in self.head], *([shown(c) for c in row] for row in self.rows)]
        widths = [max(len(row[n]) for row in table) for n in range(len(self.head))]
        right = [self._of_numbers(n) for n in range(len(self.head))]

        def line(row: Sequence[str]) -> str:
            cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
            return "| " + " | ".join(cells) + " |"

        rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)) + "|"
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([self.title, "", line(table[0]), rule, *map(line, table[1:]), "", *notes]).rstrip() + "\n"

    def latex(self) -> str:
        """A booktabs tabular; needs \\usepackage{booktabs}. Title and notes are comments."""

        def shown(cell: str | Cell) -> str:
            plain = _latex(cell if isinstance(cell, str) else cell.text(self.intervals))
            return f"\\textbf{{{plain}}}" if isinstance(cell, Cell) and cell.best else plain

        columns = "".join("r" if self._of_numbers(n) else "l" for n in range(len(self.head)))
        lines = [f"% {self.title}", f"\\begin{{tabular}}{{{columns}}}", "\\toprule"]
        lines += [" & ".join(map(_latex, self.head)) + r" \\", "\\midrule"]
        for place, row in enumerate(self.rows):
            lines += ["\\midrule"] if place in self.rules else []
            lines.append(" & ".join(map(shown, row)) + r" \\")
        return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", *(f"% {note}" for note in self.notes)]) + "\n"

    def csv(self) -> str:
        """Plain numbers, no marks, no notes; intervals and deviations are columns of their own where there are any."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        extras = [self._extras(n) for n in range(len(self.head))]
        heads = ([name, *(f"{name} {extra}" for extra in extras[n])] for n, name in enumerate(self.head))
        writer.writerow([part for head in heads for part in head])
        for row in self.rows:
            writer.writerow([part for n, cell in enumerate(row) for part in _plain(cell, extras[n])])
        return out.getvalue()

    def _of_numbers(self, column: int) -> bool:
        return any(isinstance(row[column], Cell) for row in self.rows)

    def _extras(self, column: int) -> list[str]:
        cells = [cell for row in self.rows if isinstance(cell := row[column], Cell)]
        return [extra for extra in ("low", "high", "std") if any(getattr(cell, extra) is not None for cell in cells)]


def _plain(cell: str | Cell, extras: Sequence[str]) -> list[str]:
    if isinstance(cell, str):
        return [cell, *("" for _ in extras)]
    values = (cell.value, *(getattr(cell, extra) for extra in extras))
    return ["" if value is None else f"{value:.10g}" for value in values]


def _latex(plain: str) -> str:
    escaped = "".join(_LATEX.get(letter, letter) for letter in plain)
    for sign, command in _LATEX_SIGNS.items():
        escaped = escaped.replace(sign, command)
    return escaped


def marked(cells: Sequence[Cell]) -> list[Cell]:
    """The same cells, those within the best's interval marked; without an interval only the best is."""
    known = [cell for cell in cells if cell.value is not None]
    if len(known) < 2:
        return list(cells)
    best = max(known, key=lambda cell: cell.value if cell.value is not None else -math.inf)
    edge = best.value if best.low is None else best.low
    return [
        cell if cell.value is None or edge is None or cell.value < edge else replace(cell, best=True) for cell in cells
    ]
