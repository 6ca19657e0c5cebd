"""Tensors of a tiny checkpoint: the same bits on every machine, and a safetensors writer."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Tensors:
    """Collects tensors by name. Values come from a hash of the name, not from a generator whose
    stream may change with numpy's version."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.made: dict[str, tuple[str, np.ndarray]] = {}

    def add(self, name: str, *shape: int, around: float = 0.0, spread: float = 0.1) -> None:
        """Values within `spread` of `around`."""
        noise = np.frombuffer(
            hashlib.shake_128(name.encode()).digest(2 * math.prod(shape)), dtype="<u2"
        )
        values = (noise.astype(np.float32) / 32768 - 1) * np.float32(spread) + np.float32(around)
        self.made[name] = (self.dtype, _encode(values.reshape(shape), self.dtype))

    def norm(self, name: str, size: int, *, around: float = 1.0) -> None:
        """Of an RMS norm."""
        self.add(name, size, around=around)


def _encode(values: np.ndarray, dtype: str) -> np.ndarray:
    if dtype != "BF16":
        return values.astype(DTYPES[dtype])
    return (values.view("<u4") >> 16).astype("<u2")  # cut, not rounded: any bits will do


def write_safetensors(path: Path, tensors: dict[str, tuple[str, np.ndarray]]) -> None:
    """One file: the header's length, the header, the data."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, values) in tensors.items():
        end = offset + values.nbytes
        header[name] = {
            "dtype": dtype,
            "shape": list(values.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    data = b"".join(values.tobytes() for _, values in tensors.values())
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


def write_shards(folder: Path, tensors: dict[str, tuple[str, np.ndarray]], count: int) -> None:
    """`model-0000X-of-0000N.safetensors` and their index; one file where `count` is 1."""
    if count == 1:
        write_safetensors(folder / "model.safetensors", tensors)
        return
    names, weight_map = list(tensors), {}
    for part in range(count):
        file = f"model-{part + 1:05}-of-{count:05}.safetensors"
        mine = names[part::count]
        write_safetensors(folder / file, {name: tensors[name] for name in mine})
        weight_map |= dict.fromkeys(mine, file)
    total = sum(values.nbytes for _, values in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
