"""How many numbers an agent trains."""

from __future__ import annotations

import sys
from typing import Any


def count(agent: Any) -> int | None:
    """Trainable parameters of every torch module the agent holds, each once; targets, which no optimiser moves, are
    left out. None for an agent without any."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    stack = [agent]
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, torch.nn.Module):
            sizes |= {id(each): each.numel() for each in one.parameters() if each.requires_grad}
        elif isinstance(one, list | tuple):
            stack += one
        elif isinstance(one, dict):
            stack += one.values()
        elif _own(one, agent):
            stack += vars(one).values()
    return sum(sizes.values()) or None


def _own(one: Any, agent: Any) -> bool:
    """A part that the agent's package, or ours, defines: other libraries' objects hold no networks of the agent's."""
    packages = {"bench", type(agent).__module__.partition(".")[0]}
    return hasattr(one, "__dict__") and type(one).__module__.partition(".")[0] in packages
