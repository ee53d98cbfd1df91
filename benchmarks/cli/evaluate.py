"""`bench evaluate`: more episodes of a trained agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from bench.benchmarks.errors import RequestError, nearest


def evaluate(
    folder: Annotated[Path, typer.Argument(help="A run folder with a checkpoint.")],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to play.")] = 100,
    mode: Annotated[str, typer.Option(help="evaluate, explore or react.")] = "evaluate",
    video: Annotated[bool, typer.Option("--video", help="Also film an episode into the run's media folder.")] = False,
) -> None:
    """Play episodes with a run's newest checkpoint; the run's own events stay as they are.

    [dim]bench evaluate runs/toy/reach/decqn/s0-0123456789 --episodes 100[/dim]

    Results are appended to evaluations.jsonl in the run's folder.
    """
    import numpy as np

    from bench.agents.api import Mode
    from bench.benchmarks import trained
    from bench.benchmarks import video as film
    from bench.results.schema import event_line

    if mode not in get_args(Mode):
        raise RequestError(f"unknown mode {mode!r}.{nearest(mode, get_args(Mode))} Known: {', '.join(get_args(Mode))}")
    frames: list[np.ndarray] = []
    try:
        event = trained.evaluate(folder, episodes, cast(Mode, mode), frames if video else None)
    except (ValueError, LookupError, ImportError) as error:
        raise RequestError(str(error)) from error
    with open(folder / "evaluations.jsonl", "a", encoding="utf-8") as file:
        file.write(event_line(event))
    returns = np.array(event.returns)
    spread = f" ± {returns.std(ddof=1) / np.sqrt(len(returns)):.2f} (standard error)" if len(returns) > 1 else ""
    print(f"{mode} at {event.at.frames:,} frames: mean return {returns.mean():.2f}{spread} over {episodes} episodes")
    if video:
        path = folder / "media" / f"{mode}-{event.at.frames}.mp4"
        film.write(path, np.stack(frames))
        print(path)
