"""State trees: nests of dict, list and tuple over numpy arrays, torch tensors, int, float, bool, str and None."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def difference(one: Any, other: Any, path: str = "") -> str:
    """Where two trees first differ in a type, a shape or a bit ("agent.online.weight"), or "" where they do not."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return f"{path or 'the tree'}: keys {sorted(map(str, one.keys() ^ other.keys()))}"
        pairs = [(str(key), one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple) and type(one) is type(other):
        if len(one) != len(other):
            return f"{path}: lengths {len(one)} and {len(other)}"
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(one, other, strict=True))]
    else:
        return "" if _leaf(one) == _leaf(other) else path or "the tree"
    found = (difference(a, b, f"{path}.{key}" if path else key) for key, a, b in pairs)
    return next(filter(None, found), "")


def copied(tree: Any, path: str = "") -> Any:
    """The tree as a checkpoint would give it back: nothing shared. TypeError for what a checkpoint cannot hold."""
    if isinstance(tree, dict):
        if strange := [key for key in tree if not isinstance(key, str | int)]:
            raise TypeError(f"{path or 'the state'} has keys {strange}; only str and int can be saved")
        return {key: copied(value, f"{path}.{key}" if path else str(key)) for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(copied(value, f"{path}.{index}") for index, value in enumerate(tree))
    if tree is None or isinstance(tree, bool | int | float | str | bytes):
        return tree
    if isinstance(tree, np.ndarray | np.generic) and not tree.dtype.hasobject:
        return tree.copy()
    if _is_tensor(tree):
        return tree.detach().clone()
    raise TypeError(f"{path or 'the state'} is a {type(tree).__name__}, which a checkpoint cannot hold")


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _leaf(value: Any) -> Any:
    """What two leaves must have in common: type and value, bit for bit."""
    if _is_tensor(value):
        torch = sys.modules["torch"]
        plain = value.detach().cpu().contiguous()
        return str(value.dtype), tuple(value.shape), plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return type(value), repr(value)
