"""Which agents exist: ours by textual reference, everybody else's by an entry point of group `bench.agents`.

Nothing is imported until it is asked for, and nothing here imports torch. A plug-in that fails at import breaks no
listing: `names` shows it, `broken` says why, `get` raises that reason.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from bench.agents.api import Agent, AgentConfig, AgentSpec, Scale, Task
from bench.agents.common.config import ConfigError, merge
from bench.agents.common.names import unknown

__all__ = [
    "BrokenAgent",
    "ConfigError",
    "DuplicateAgent",
    "UnknownAgent",
    "broken",
    "get",
    "load",
    "names",
    "parse",
    "resolve",
]

GROUP = "bench.agents"
BUILTIN = {
    "contrastive_dreamer": "bench.agents.contrastive_dreamer.spec:spec",
    "dcmpc": "bench.agents.dcmpc.spec:spec",
    "decqn": "bench.agents.decqn.spec:spec",
    "dreamer": "bench.agents.dreamer.spec:spec",
    "dreamer_v1": "bench.agents.dreamer_v1.spec:spec",
    "dreamer_v2": "bench.agents.dreamer_v2.spec:spec",
    "linear_q": "bench.agents.linear_q.spec:spec",
    "planet": "bench.agents.planet.spec:spec",
    "random": "bench.agents.random.spec:spec",
    "simulus": "bench.agents.simulus.spec:spec",
    "tdmpc2": "bench.agents.tdmpc2.spec:spec",
    "world_models": "bench.agents.world_models.spec:spec",
}


class UnknownAgent(LookupError):
    """No agent or variant of that name; the message names the nearest ones."""


class BrokenAgent(ImportError):
    """An agent's plug-in is declared and cannot be used; the message says why."""


class DuplicateAgent(ValueError):
    """Two packages declare one name; the message names both."""


class _Entry(NamedTuple):
    owner: str
    reference: str  # "module:attribute"


@cache
def _installed() -> tuple[metadata.EntryPoint, ...]:
    """The plug-ins, read once: every reading opens the files of every installed package."""
    return tuple(metadata.entry_points(group=GROUP))


def _entries() -> dict[str, _Entry]:
    entries = {name: _Entry("bench", reference) for name, reference in BUILTIN.items()}
    for point in _installed():
        entry = _Entry(point.dist.name if point.dist else "an unnamed package", point.value)
        other = entries.setdefault(point.name, entry)
        if other != entry:
            raise DuplicateAgent(
                f"agent {point.name!r} has two owners: {other.owner} ({other.reference}) and {entry.owner} "
                f"({entry.reference}). Uninstall one of them, or rename its entry point."
            )
    return entries


def names() -> list[str]:
    """Every declared agent, sorted, broken plug-ins included; imports none. DuplicateAgent where two own one name."""
    return sorted(_entries())


def get(name: str) -> AgentSpec:
    """The agent's spec. UnknownAgent, or BrokenAgent where its plug-in fails."""
    entries = _entries()
    if name not in entries:
        raise UnknownAgent(unknown("agent", name, entries, "bench list agents"))
    owner, reference = entries[name]
    try:
        spec = _attribute(reference)
    except Exception as error:  # third-party code: whatever it raises is the reason we report
        reason = f"{type(error).__name__}: {error}"
        raise BrokenAgent(f"agent {name!r} of {owner} ({reference}) fails at import: {reason}") from error
    if not isinstance(spec, AgentSpec):
        raise BrokenAgent(f"agent {name!r} of {owner}: {reference} is a {type(spec).__name__}, not an AgentSpec")
    if spec.name != name:
        raise BrokenAgent(f"agent {name!r} of {owner}: {reference} calls itself {spec.name!r}")
    return spec


def reference(name: str) -> str:
    """Where the spec of an agent that exists lies: "module:attribute"."""
    return _entries()[name].reference


def broken() -> dict[str, str]:
    """The declared agents that cannot be used, with the reason."""
    reasons = {}
    for name in names():
        try:
            get(name)
        except BrokenAgent as error:
            reasons[name] = str(error)
    return reasons


def load(spec: AgentSpec) -> type[Agent]:
    """The agent's class; this imports what training needs. BrokenAgent where that fails."""
    try:
        cls = _attribute(spec.cls)
    except Exception as error:  # as in `get`
        raise BrokenAgent(
            f"agent {spec.name!r} ({spec.cls}) fails at import: {type(error).__name__}: {error}"
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Agent)):
        raise BrokenAgent(f"agent {spec.name!r}: {spec.cls} is not a subclass of bench.agents.api.Agent")
    return cls


def canonical(label: str) -> str:
    """The label itself, or another agent's that its variant is only a name for. UnknownAgent or BrokenAgent."""
    name, _, variant = label.partition(":")
    other = get(name).variants.get(variant)
    return canonical(other) if isinstance(other, str) else label


def parse(label: str) -> tuple[AgentSpec, str, dict[str, Any]]:
    """(spec, variant label, diff) of "agent", "agent:variant" or "agent:file.yaml", whose label is the file's stem.

    UnknownAgent for a wrong name; ConfigError for a file that is no mapping of fields.
    """
    name, _, variant = canonical(label).partition(":")
    spec = get(name)
    if not variant:
        return spec, "", {}
    if variant.endswith((".yaml", ".yml")):
        return spec, Path(variant).stem, _read(Path(variant))
    if variant not in spec.variants:
        raise UnknownAgent(unknown(f"variant of {name}", variant, spec.variants, f"bench show {name}"))
    diff = spec.variants[variant]
    assert not isinstance(diff, str), "its canonical label is another's name"
    return spec, variant, dict(diff)


def resolve(
    spec: AgentSpec, task: Task, scale: Scale, diff: Mapping[str, Any], overrides: Mapping[str, str]
) -> AgentConfig:
    """The configuration of one run: the agent's own for task and scale, then the variant's diff, then `--set` values.

    Values of `overrides` are text, read as YAML ("3e-4", "true", "[256, 256]", "null"). ConfigError for a wrong field
    or type.
    """
    try:
        return merge(
            spec.configure(task, scale, diff), {field: _value(field, text) for field, text in overrides.items()}
        )
    except ConfigError as error:
        raise ConfigError(f"{spec.name}: {str(error).rstrip('.')}. See: bench show {spec.name}") from error


def _attribute(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _value(field: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"field {field!r}: {text!r} is not a YAML value") from error


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        diff = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"variant file {str(path)!r} does not exist") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"variant file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(diff, dict):
        raise ConfigError(f"variant file {str(path)!r} must map fields to values, as in 'learning_rate: 3e-4'")
    return diff
