"""What a results store holds, as data: identities, runs, event rows, scores, suites. Every reader and writer uses
these.

Units: frames are simulator steps, agent_steps are decisions, returns are raw and undiscounted, times are seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

SCHEMA = 1  # of run.json, events.jsonl and checkpoint manifests

Status = Literal["planned", "running", "interrupted", "finished", "failed", "out_of_memory", "diverged"]
End = Literal["terminated", "truncated", "cut", "stopped"]
STATUSES: tuple[str, ...] = get_args(Status)


def canonical(value: Any) -> str:
    """One spelling per value: JSON with sorted keys and no spaces. TypeError for what JSON cannot say."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Identity:
    """What a run's events are a function of. Everything else about a run is runtime."""

    protocol: Mapping[str, Any]  # the task's protocol, with name and version
    task: str  # "atari/pong"
    agent: str
    variant: str  # "" where none
    scale: str
    config: Mapping[str, Any]  # resolved, without the collection
    collection: Mapping[str, Any]
    seed: int

    @property
    def digest(self) -> str:
        """The first ten hexadecimal digits of the sha256 of the canonical JSON."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()[:10]

    @property
    def label(self) -> str:
        """agent[:variant], as legends and folders write it."""
        return f"{self.agent}:{self.variant}" if self.variant else self.agent

    @property
    def folder(self) -> str:
        """Path inside the store; of a label longer than a file's name may be, the beginning."""
        name = self.label.replace("/", "_").encode()[:255].decode(errors="ignore")
        return f"{self.task}/{name}/s{self.seed}-{self.digest}"


@dataclass(frozen=True)
class Budget:
    """How long a run trains and when it is evaluated. Runtime, not identity."""

    frames: int  # training frames
    every: int  # frames between evaluations; points are its multiples, and `frames` itself
    episodes: int  # per point
    final_episodes: int  # at `frames`

    def points(self) -> list[int]:
        """Evaluation points in absolute frames, the last one being `frames`."""
        return [*range(self.every, self.frames, self.every), self.frames]


@dataclass(frozen=True)
class Runtime:
    """How this run is executed; none of it changes events.jsonl on the same device kind but budget and evaluations."""

    budget: Budget
    suite: str  # whose budget it was; "" for none
    device: str = "cpu"
    threads: int = 1
    keep: bool = False  # keep replay and checkpoints after the end


@dataclass
class RunRecord:
    """run.json."""

    identity: Identity
    runtime: Runtime
    status: Status = "planned"
    reason: str = ""  # why it failed, in one sentence
    counters: dict[str, int] = field(default_factory=dict)  # tick, agent_steps, frames, updates, episodes
    score: float | None = None  # mean return of the last evaluation
    exactness: Literal["exact", "statistical"] = "exact"
    pinned: dict[str, Any] = field(default_factory=dict)  # threads, precision, capture, device kind
    sessions: list[dict[str, Any]] = field(
        default_factory=list
    )  # command, commit, dirty, versions, hardware, start, end, restored: what could not be used of checkpoints;
    # capture: "graphs", "eager", or "eager: why" where capturing CUDA graphs failed
    schema: int = SCHEMA

    def to_json(self) -> str:
        document = {"schema": self.schema, "digest": self.identity.digest, **asdict(self)}
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """ValueError for another schema or a damaged document."""
        try:
            document = json.loads(text)
            if document.get("schema") != SCHEMA:
                raise ValueError(f"schema {document.get('schema')!r}; this build reads schema {SCHEMA}")
            runtime = document.pop("runtime")
            document.pop("digest")
            return cls(
                identity=Identity(**document.pop("identity")),
                runtime=Runtime(**{**runtime, "budget": Budget(**runtime["budget"])}),
                **document,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a run record: {error!r}") from error


@dataclass(frozen=True)
class At:
    """Where in a run an event happened."""

    tick: int  # vector steps + units of learning
    agent_steps: int
    frames: int
    updates: int


@dataclass(frozen=True)
class Episode:
    """One finished training episode; frames in `at` are those at its end."""

    at: At
    episode: int
    seed: int
    ret: float  # the protocol's raw undiscounted return
    length: int  # decisions
    end: End


@dataclass(frozen=True)
class Evaluation:
    """One evaluation point: its own environments, policy and seeds."""

    at: At
    mode: str
    returns: list[float]
    lengths: list[int]
    seeds: list[int]


@dataclass(frozen=True)
class Metrics:
    at: At
    values: dict[str, float]


Event = Episode | Evaluation | Metrics
_SPELT = {"ret": "return"}  # a word that Python keeps for itself
_SPELT_BACK = {"return": "ret"}
_KINDS: dict[str, type] = {"episode": Episode, "evaluation": Evaluation, "metrics": Metrics}


def event_line(event: Event) -> str:
    """One line of events.jsonl, newline included: {"event": kind, tick, agent_steps, frames, updates, ...}."""
    body = {_SPELT.get(f.name, f.name): getattr(event, f.name) for f in fields(event) if f.name != "at"}
    kind = type(event).__name__.lower()
    return json.dumps({"event": kind, **asdict(event.at), **body}, separators=(",", ":")) + "\n"


def parse_event(line: str) -> Event:
    """The inverse of `event_line`. ValueError for a damaged line."""
    try:
        document = json.loads(line)
        at = At(**{f.name: document.pop(f.name) for f in fields(At)})
        body = {_SPELT_BACK.get(name, name): value for name, value in document.items() if name != "event"}
        event: Event = _KINDS[document["event"]](at=at, **body)
        return event
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an event: {line[:80]!r}") from error


@dataclass(frozen=True)
class Score:
    """One number with all it needs to be compared: measured or published.

    rule: "evaluation@last" (the last evaluation's mean), "evaluation@100k" (the one at that frame) or
    "training@390k-400k" (training episodes that ended in that window). Either `seed` is given, or `std` and `n`
    may describe a mean over seeds; `episode_std` is the deviation over one evaluation's episodes, which is no deviation
    over seeds. `source` names the run or the publication.
    """

    task: str
    protocol: str  # "atari/1"; of a published row, what its source states
    agent: str
    variant: str
    frames: int | None
    value: float
    rule: str
    unit: str  # "return" | "success"
    source: str
    seed: str | None = None
    std: float | None = None
    n: int | None = None
    scale: str = "paper"
    episode_std: float | None = None


@dataclass(frozen=True)
class Suite:
    """Task ids, budget, normalisation and headline rule: a view on runs, with the card that `bench show SUITE`
    prints."""

    name: str
    measures: str  # what doing well on it shows
    source: str
    citation: str
    tasks: tuple[str, ...]
    budgets: Mapping[str, Budget]  # by scale
    rule: str = "evaluation@last"
    unit: str = "return"
    references: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # task -> (random, human or best)
    reference_names: tuple[str, str] = ("random", "human")
    published: tuple[str, ...] = ()  # agents of results/published/ that are drawn beside
    published_tables: tuple[str, ...] = ()  # the papers' tables it compares with
    task_budgets: Mapping[str, Mapping[str, Budget]] = field(default_factory=dict)  # task -> scale -> budget

    def budget(self, task: str, scale: str) -> Budget:
        return self.task_budgets.get(task, {}).get(scale) or self.budgets[scale]
