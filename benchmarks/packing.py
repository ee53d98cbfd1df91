"""How many runs at once: as many as cores and memory hold, and fewer once one ran out of memory.

What a run takes is forecast from its configuration; as soon as one of its kind has learnt, what that one was measured
to take counts as well. On a GPU the first of a kind has no other of its kind beside it until then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from bench.benchmarks.errors import RequestError
from bench.benchmarks.plan import Planned
from bench.benchmarks.provenance import cores
from bench.benchmarks.usage import Use

SHARE = 0.9  # of the free memory that runs are packed into: what is measured is a few seconds old
CGROUP = Path("/sys/fs/cgroup/memory.max")  # a container's limit, which the system's own figure leaves out

Kind = tuple[str, str, str, str]  # label, protocol, scale, device: runs that take much the same


@dataclass(frozen=True)
class Room:
    """What there is to pack runs into."""

    memory: float  # bytes of the host that are free
    cards: Mapping[str, float]  # bytes of every GPU asked for, by device
    cores: float


def room(devices: Iterable[str]) -> Room:
    """This machine's, as it is now."""
    import psutil

    free = float(psutil.virtual_memory().available)
    limit = CGROUP.read_text().strip() if CGROUP.exists() else "max"
    if limit != "max":
        free = min(free, float(limit))
    cards: dict[str, float] = {}
    for device in sorted(set(devices) - {"cpu"}):
        import torch

        cards[device] = float(torch.cuda.get_device_properties(device).total_memory)
    return Room(free, cards, float(cores()))


def parse(text: str) -> int | None:
    """`--jobs`: a number, or None for "auto". RequestError for anything else."""
    if text == "auto":
        return None
    if not (text.isdigit() and int(text)):
        raise RequestError(f"--jobs {text!r} is neither auto nor a number from 1 on")
    return int(text)


def kind(run: Planned) -> Kind:
    identity = run.identity
    return identity.label, identity.task.partition("/")[0], identity.scale, run.runtime.device


class Packing:
    """Says whether one more run fits beside those that are live."""

    def __init__(self, jobs: int | None, expected: Mapping[Path, Use | None], room: Room):
        """jobs: the most at once, None for as many as fit. expected: what each run is forecast to take, None where
        nothing is known."""
        self._jobs, self._expected, self._room = jobs, expected, room
        self._measured: dict[Kind, Use] = {}
        self._most: dict[str, float] = defaultdict(lambda: inf)  # by device, since one ran out of memory

    def admits(self, run: Planned, live: Sequence[Planned]) -> bool:
        """Whether `run` may start beside the `live` ones. One alone always may."""
        device, same = run.runtime.device, kind(run)
        if not live:
            return True
        if sum(other.runtime.device == device for other in live) >= self._most[device]:
            return False
        if self._jobs is not None:
            return len(live) < self._jobs
        unknown = same not in self._measured and (device != "cpu" or self._expected.get(run.path) is None)
        if unknown and any(kind(other) == same for other in live):
            return False
        return self._fits([*live, run])

    def at_once(self, runs: Sequence[Planned]) -> int:
        """How many of the runs are expected to be live together; at least 1."""
        if self._jobs is not None:
            return self._jobs
        live: list[Planned] = []
        for run in runs:
            if self._fits([*live, run]):
                live.append(run)
        return max(len(live), 1)

    def note(self, run: Planned, use: Use) -> None:
        """`run` has learnt, and took so much until now."""
        before = self._measured.get(kind(run), use)
        self._measured[kind(run)] = Use(max(use.memory, before.memory), max(use.card, before.card), use.cores)

    def back_off(self, run: Planned, company: int) -> tuple[bool, str]:
        """`run` ran out of memory: whether it may try again beside fewer, and what to say. `company`: the most runs at
        once on its device since it started, itself included; they may have been gone when it was noticed."""
        device = run.runtime.device
        if company == 1:
            name = f"{run.identity.label} on {run.identity.task}"
            return False, f"out of memory on {device} with no other run beside it: {name}; {_SMALLER}"
        fewer = min(self._most[device], company - 1)
        said = f"out of memory with {company} runs at once on {device}: from here on at most {fewer:g}"
        said = said if fewer < self._most[device] else ""
        self._most[device] = fewer
        return True, said

    def refuse(self, runs: Iterable[Planned]) -> None:
        """RequestError for a run that is forecast to need more than there is, even alone. A number of jobs that was
        asked for is not doubted."""
        for run in runs:
            use, device = self._expected.get(run.path), run.runtime.device
            if use is None or self._jobs is not None:
                continue
            for need, there, where in (
                (use.memory, self._room.memory, "memory, and this machine has"),
                (use.card, self._room.cards.get(device, inf), f"the memory of {device}, and it has"),
            ):
                if need > there:
                    raise RequestError(
                        f"{run.identity.label} on {run.identity.task} needs about {need / 1e9:.1f} GB of {where} "
                        f"{there / 1e9:.1f} GB; {_SMALLER}, and --jobs 1 tries all the same"
                    )

    def _fits(self, runs: Sequence[Planned]) -> bool:
        uses = [(run.runtime.device, self._use(run)) for run in runs]
        on_card: dict[str, float] = defaultdict(float)
        for device, use in uses:
            on_card[device] += use.card
        return (
            sum(use.cores for _, use in uses) <= self._room.cores
            and sum(use.memory for _, use in uses) <= SHARE * self._room.memory
            and all(on_card[device] <= SHARE * there for device, there in self._room.cards.items())
        )

    def _use(self, run: Planned) -> Use:
        """On the host the forecast counts beside what was measured, for a replay grows until the end; a processor's
        measured share counts only beside a GPU, for on a busy machine it says what a run got, not what it needs."""
        guess, seen = self._expected.get(run.path), self._measured.get(kind(run))
        known = [use for use in (guess, seen) if use is not None]
        card = (seen or guess or Use(0, 0, 0)).card
        share = float(run.runtime.threads) if seen is None or run.runtime.device == "cpu" else seen.cores
        return Use(max((use.memory for use in known), default=0), card, share)


_SMALLER = "a smaller variant or --scale needs less"
