"""Tables of text on file, as everything under results/measured is kept: CSV, read whole and written whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results.atomic import write


def read(path: Path) -> list[dict[str, str]]:
    """The rows, none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def replace(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write these rows in the file's place, at once or not at all. The first row names the columns; ValueError where
    another has more."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue().encode())
