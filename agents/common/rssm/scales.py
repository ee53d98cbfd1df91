"""Which of a family's diffs hold for a task at a scale. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.agents.api import Scale, Task

Diff = Mapping[str, Any]

# States without pictures tell a few nats: with the published ones to spare little would ever train the prior.
VECTORS: Diff = {"free_nats": 0.0}


def changes(
    task: Task, scale: Scale, scales: Mapping[str, Diff], images: Mapping[str, Diff], toys: Mapping[str, Diff]
) -> tuple[Diff, ...]:
    """The diffs in the order they apply. Of each scale: `scales`, what it changes; `images`, what besides where there
    are pictures; `toys`, what toys of vectors have beside all of `tiny`, at the scales that are named there."""
    if "image" in task.observation.spaces:
        return scales[scale], images[scale]
    if task.id.startswith("toy/") and scale in toys:
        return VECTORS, scales["tiny"], toys[scale]
    return VECTORS, scales[scale]
