"""Statistics, tables, figures and the page: a pure function of a results snapshot.

The page needs packages that the training path does without; `available` says which are missing. Only `figures`,
`page` and the aggregates of `statistics` import them.
"""

from __future__ import annotations

from importlib.util import find_spec

PACKAGES = ("jinja2", "matplotlib", "arch", "rliable")


def available() -> str | None:
    """None where the page can be written here, else the sentence that says what is missing and where to write it."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return (
        f"no page written: {', '.join(missing)} cannot be imported here. Install them, or copy the folder of runs to a "
        "machine that has them and type `bench report --runs FOLDER` there; the results are complete without the page"
    )
