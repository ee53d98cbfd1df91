"""What to say about a name nobody knows: what was wrong, what is near, what exists, what to type."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: str, known: Iterable[str], command: str = "") -> str:
    """A message such as: unknown agent 'randm'. Did you mean 'random'? Known: decqn, random. List ...: `command`."""
    known = sorted(known)
    near = get_close_matches(name, known, n=2)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    listing = f" List them with details: {command}" if command else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}.{listing}"
