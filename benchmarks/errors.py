"""What a user did wrong, said in a sentence. The command line prints it and exits with 2 before any work starts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RequestError(Exception):
    """A request that cannot be carried out as it was made."""


class Unsupported(RequestError):
    """An agent that does not run a task, with its reason."""


def nearest(name: str, known: Iterable[str]) -> str:
    """ " Did you mean 'x'?" or nothing."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
