"""What agents left to look at: the small videos and pictures of a view's runs, as data URIs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report.scores import Row, Scored

KINDS = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".gif": "image/gif",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
LARGEST = 400_000  # bytes of one file on the page
TOGETHER = 1_500_000  # bytes of all: a third more as text, of a page that should stay under 6 MB


@dataclass(frozen=True)
class Clip:
    """One file on the page."""

    row: Row
    one: Scored
    title: str  # the file's name without its ending
    kind: str  # "video/mp4"
    data: str  # base64

    @property
    def video(self) -> bool:
        return self.kind.startswith("video")


def of(rows: Sequence[Row], room: int = TOGETHER) -> tuple[list[Clip], list[Path]]:
    """The clips that fit into `room` bytes, and the files that are too large or too many.

    Of every row the first complete run with media is shown, else the first that has any: it stands for its agent.
    """
    clips: list[Clip] = []
    left: list[Path] = []
    for row in rows:
        filmed = [one for one in row.runs if _files(one)]
        for one in sorted(filmed, key=lambda one: not one.complete)[:1]:
            for path in _files(one):
                size = path.stat().st_size
                if size > min(LARGEST, room):
                    left.append(path)
                    continue
                room -= size
                clips.append(Clip(row, one, path.stem, KINDS[path.suffix], b64encode(path.read_bytes()).decode()))
    return clips, left


def _files(one: Scored) -> list[Path]:
    folder = one.run.path / "media"
    return sorted(path for path in folder.iterdir() if path.suffix in KINDS) if folder.is_dir() else []
