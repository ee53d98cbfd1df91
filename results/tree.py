"""State trees on disk, without pickle: a JSON skeleton and the raw bytes of its arrays.

A tree is a nest of dicts (keys str or int), lists and tuples over numpy arrays, torch tensors, int, float, bool, str,
bytes and None. Reading one runs no code, whoever wrote it. torch is imported only where a tree holds tensors.

File: the magic line, the skeleton's length, the skeleton, then each array's bytes at the offset the skeleton names.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.results import faults

_MAGIC = b"bench-tree-1\n"


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return value if value - value == 0 else {"f": repr(value)}  # JSON has no inf and no nan
        case bytes():
            return {"b": base64.b64encode(value).decode()}
        case list():
            return [_encode(v, arrays) for v in value]
        case tuple():
            return {"t": [_encode(v, arrays) for v in value]}
        case dict():
            if not all(isinstance(k, str | int) for k in value):
                raise TypeError(
                    f"dict keys must be str or int, not {[k for k in value if not isinstance(k, str | int)]}"
                )
            return {"d": [[k, _encode(v, arrays)] for k, v in value.items()]}
        case np.generic():
            return {"g": value.dtype.str, "v": _encode(value.item(), arrays)}
        case np.ndarray():
            if value.dtype.hasobject:
                raise TypeError("arrays of Python objects cannot be saved")
            arrays.append(np.ascontiguousarray(value))
            return {"a": len(arrays) - 1, "dtype": value.dtype.str, "shape": list(value.shape)}
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        plain = value.detach().cpu().contiguous()
        raw = plain.reshape(-1).view(torch.uint8) if plain.numel() else plain.new_empty(0, dtype=torch.uint8)
        arrays.append(raw.numpy())
        return {"x": len(arrays) - 1, "dtype": dtype, "shape": list(value.shape)}
    raise TypeError(f"a state tree cannot hold a {type(value).__name__}")


def _decode(node: Any, data: memoryview, offsets: list[int]) -> Any:
    if isinstance(node, list):
        return [_decode(v, data, offsets) for v in node]
    if not isinstance(node, dict):
        return node
    if "d" in node:
        return {k: _decode(v, data, offsets) for k, v in node["d"]}
    if "t" in node:
        return tuple(_decode(v, data, offsets) for v in node["t"])
    if "f" in node:
        return float(node["f"])
    if "b" in node:
        return base64.b64decode(node["b"])
    if "g" in node:
        return np.dtype(node["g"]).type(_decode(node["v"], data, offsets))
    index = node["a"] if "a" in node else node["x"]
    raw = data[offsets[index] : offsets[index + 1]]
    if "a" in node:
        return np.frombuffer(raw, np.dtype(node["dtype"])).reshape(node["shape"]).copy()
    import torch

    tensor = torch.empty(node["shape"], dtype=getattr(torch, node["dtype"]))
    if raw:
        tensor.reshape(-1).view(torch.uint8).copy_(torch.from_numpy(np.frombuffer(raw, np.uint8).copy()))
    return tensor


def save(path: Path, tree: Any) -> tuple[str, int]:
    """Write `tree` and force it to the disk; (sha256 in hexadecimal, bytes). TypeError for what a tree cannot hold."""
    arrays: list[np.ndarray] = []
    skeleton = _encode(tree, arrays)
    offsets = np.cumsum([0, *(a.nbytes for a in arrays)]).tolist()
    head = json.dumps({"offsets": offsets, "tree": skeleton}).encode()
    parts: list[Any] = [
        _MAGIC,
        len(head).to_bytes(8, "little"),
        head,
        *(a.reshape(-1).view(np.uint8).data for a in arrays if a.nbytes),
    ]
    digest, size = hashlib.sha256(), 0
    with open(path, "wb") as file:
        for number, part in enumerate(parts):
            if number == len(parts) - 1:
                file.flush()
                faults.point("checkpoint.file")
            file.write(part)
            digest.update(part)
            size += len(part)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def load(path: Path, sha256: str | None = None) -> Any:
    """Read what `save` wrote. ValueError where it is damaged, or its digest is not `sha256`."""
    data = path.read_bytes()
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path.name} is damaged ({len(data)} bytes, digest differs from the manifest's)")
    file = io.BytesIO(data)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError(f"{path.name} is not a state tree")
    length = int.from_bytes(file.read(8), "little")
    head = json.loads(file.read(length))
    return _decode(head["tree"], memoryview(data)[file.tell() :], head["offsets"])
