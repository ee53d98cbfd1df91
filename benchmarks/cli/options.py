"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Agents = Annotated[
    str, typer.Option(help="Agents, with commas; each with an optional :variant or :file.yaml.", metavar="A[:V],…")
]
SuiteName = Annotated[str, typer.Option(help="The suite: tasks, budget, score rule (bench list suites).")]
Tasks = Annotated[
    str, typer.Option(help="Only these tasks, with commas; any gym:ID with --frames and no suite.", metavar="T,…")
]
Seeds = Annotated[str, typer.Option(help="How many (5), or which (0,1,2).")]
ScaleName = Annotated[str, typer.Option("--scale", help="paper, small or tiny.")]
Frames = Annotated[str, typer.Option(help="Training frames instead of the suite's: 400000, 400k, 1M.", metavar="N")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="AGENT.FIELD=VALUE, repeatable.", metavar="A.F=V")]
Root = Annotated[Path, typer.Option("--runs", help="The store.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda:0,…")]
Jobs = Annotated[
    str, typer.Option(help="Runs at once: auto (as many as cores and memory hold) or a number.", metavar="auto|N")
]
Keep = Annotated[str, typer.Option(help="all: keep replay and checkpoints of finished runs.", metavar="all")]
Rerun = Annotated[str, typer.Option(help="failed, diverged or all: start those afresh, old folders moved aside.")]
TimeLimit = Annotated[str, typer.Option(help="Stop, resumable, after 90s, 25m or 8h.", metavar="25m")]
