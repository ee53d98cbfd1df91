"""What a reader must know before believing a view's numbers, each as one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import costs, statistics
from bench.report.scores import WIRING, Row
from bench.report.snapshot import View
from bench.results.schema import canonical


def of(view: View) -> list[str]:
    """Ordered from what invalidates to what qualifies."""
    found = [*_runs(view), *_mixtures(view), *_sizes(view.rows), *_provenance(view)]
    return [sentence for sentence in found if sentence]


def _list(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:4]) + (f" and {len(unique) - 4} more" if len(unique) > 4 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _runs(view: View) -> list[str]:
    found = []
    lacking: dict[str, list[str]] = {}
    for row in view.rows:
        for one in row.runs:
            if not one.complete:
                lacking.setdefault(one.stands, []).append(f"{row.label} on {row.task} (seed {one.seed})")
    for what, where in sorted(lacking.items()):
        averaged = "" if what == "diverged" else ", not averaged"
        found.append(f"{_count(len(where), 'run')} {what}{averaged}: {_list(where)}.")
    if any(row.without or any(one.diverged for one in row.runs) for row in view.rows):
        found.append(
            "A diverged run counts as the random policy where that score is known; the mean without it stands beside. "
            "Where it is not known, the mean is over the other runs only and flatters the agent."
        )
    seeds: dict[str, set[int]] = {}
    for row in view.rows:
        seeds.setdefault(row.scale, set()).update(one.seed for one in row.runs)
    missing = [
        f"{row.label} on {row.task} ({row.scale}: no seed {', '.join(map(str, sorted(without)))})"
        for row in view.rows
        if (without := seeds[row.scale] - {one.seed for one in row.runs})
    ]
    if missing:
        found.append(f"Seeds that other rows have are missing: {_list(missing)}.")
    return found


def _mixtures(view: View) -> list[str]:
    found = []
    protocols: dict[str, set[str]] = {}
    for run in view.runs:
        protocols.setdefault(run.record.identity.task, set()).add(canonical(run.record.identity.protocol))
    if mixed := [task for task, several in protocols.items() if len(several) > 1]:
        found.append(f"Runs of several protocol versions, in separate rows and never averaged: {_list(sorted(mixed))}.")
    if len(view.scales) > 1:
        found.append(f"Runs of several scales ({', '.join(view.scales)}), in separate rows and never averaged.")
    if twins := [row.label for row in view.rows if "#" in row.label]:
        found.append(f"One name, several configurations, told apart by #: {_list(twins)}.")
    if short := [row.task for row in view.rows if row.short]:
        found.append(f"Shorter than the suite's budget: {_list(short)}.")
    return found


def _sizes(rows: Sequence[Row]) -> list[str]:
    found = []
    if any(row.scale != "paper" for row in rows):
        names = _list(sorted({row.scale for row in rows if row.scale != "paper"}))
        found.append(f"Scale {names}: smaller agents and budgets than published; not comparable with published scores.")
    if wiring := [f"{row.label} on {row.task}" for row in rows if row.mark]:
        found.append(f"{WIRING}: {_list(wiring)}. These show that everything runs, not that anything was learned.")
    counts = {sum(one.complete or one.diverged for one in row.runs) for row in rows if row.estimate}
    if any(count < statistics.FEW for count in counts):
        found.append("Fewer than 3 runs: points, no interval.")
    if any(statistics.FEW <= count < statistics.ENOUGH for count in counts):
        found.append(statistics.COVERAGE_NOTE[0].upper() + statistics.COVERAGE_NOTE[1:] + ".")
    return found


def _provenance(view: View) -> list[str]:
    found = []
    statistical = [run for run in view.runs if run.record.exactness == "statistical"]
    if statistical:
        where = _list([run.record.identity.digest for run in statistical])
        found.append(
            f"{_count(len(statistical), 'run')} only statistically exact "
            f"(resumed where open episodes could not be replayed): {where}."
        )
    sessions = [session for run in view.runs for session in run.record.sessions]
    commits = {str(session["commit"])[:10] for session in sessions if session.get("commit")}
    if len(commits) > 1:
        found.append(f"Runs come from {len(commits)} commits of this project: {_list(sorted(commits))}.")
    versions: dict[str, set[str]] = {}
    for session in sessions:
        for library, version in (session.get("versions") or {}).items():
            versions.setdefault(library, set()).add(version)
    if mixed := [f"{name} {' and '.join(sorted(several))}" for name, several in versions.items() if len(several) > 1]:
        found.append(f"Runs were made with different versions of libraries: {_list(mixed)}.")
    if len(devices := sorted({costs.device(run) for run in view.runs} - {""})) > 1:
        found.append(f"Runs come from {len(devices)} kinds of device: {_list(devices)}.")
    if any(session.get("dirty") for session in sessions):
        found.append("Some runs were made with uncommitted changes.")
    return found
