"""Configurations are frozen dataclasses; variants, scales and `--set` are diffs {dotted field: value} merged into them.

OmegaConf checks and converts every value against the field's type. It is imported on the first merge only, so that
listing agents stays fast.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from bench.agents.common.names import unknown

C = TypeVar("C")


class ConfigError(ValueError):
    """A diff names no field, or gives a field a value of another type."""


@typing.overload
def merge(config: type[C], *diffs: Mapping[str, Any]) -> C: ...


@typing.overload
def merge(config: C, *diffs: Mapping[str, Any]) -> C: ...


def merge(config: Any, *diffs: Mapping[str, Any]) -> Any:
    """`config` (an instance, or a class for its defaults) with the diffs applied in order; the input is left as it is.

    Keys are dotted for nested fields; nested mappings mean the same. ConfigError where a field or a type is wrong.
    """
    if not any(diffs):
        return config() if isinstance(config, type) else config
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    kind: type = config if isinstance(config, type) else type(config)
    hints = dict(_hints(kind))
    tree = OmegaConf.structured(config)
    for path in ("", *(path for path, hint in hints.items() if dataclasses.is_dataclass(hint))):
        OmegaConf.set_readonly(OmegaConf.select(tree, path) if path else tree, False)
    for diff in diffs:
        for path, value in _flat(diff):
            hint = _hint(hints, path)
            if hint is None:
                raise ConfigError(unknown("field", path, hints))
            if hint is bool and not isinstance(value, bool):  # OmegaConf would take any number for one
                raise ConfigError(_mistyped(kind, path, hint, value))
            try:
                OmegaConf.update(tree, path, value)
            except OmegaConfBaseException as error:
                raise ConfigError(_mistyped(kind, path, hint, value)) from error
    return OmegaConf.to_object(tree)


def as_dict(config: Any) -> dict[str, Any]:
    """The configuration as JSON values, nested, tuples as lists."""
    return typing.cast("dict[str, Any]", _plain(dataclasses.asdict(config)))


def _mistyped(kind: type, path: str, hint: Any, value: Any) -> str:
    return f"field {path!r} of {kind.__name__} takes {inspect.formatannotation(hint)}, not {value!r}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _hints(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, type) of every field, nested dataclasses and what lies in them included."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        yield prefix + field.name, hint
        if dataclasses.is_dataclass(hint):
            yield from _hints(typing.cast(type, hint), f"{prefix}{field.name}.")


def _hint(hints: Mapping[str, Any], path: str) -> Any:
    """The type of the field at `path`; of the whole mapping for an entry of a mapping; None where there is none."""
    parent = path.rpartition(".")[0]
    if path not in hints and typing.get_origin(hints.get(parent)) is dict:
        return hints[parent]
    return hints.get(path)


def _flat(diff: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in diff.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
