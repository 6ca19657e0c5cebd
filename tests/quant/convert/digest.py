"""What a GGUF file says and holds, short enough to commit: every key, and a digest per tensor."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import gguf

_LONGEST = 64  # elements of an array that are written out


def digest(path: Path) -> dict[str, Any]:
    """`metadata`: key -> [type, value]; `tensors`: name -> [type, shape, sha256's first half]."""
    reader = gguf.GGUFReader(path)
    metadata = {
        name: _field(field)
        for name, field in reader.fields.items()
        if not name.startswith("GGUF.")  # the counts and the version
    }
    tensors = {
        tensor.name: [
            tensor.tensor_type.name,
            [int(size) for size in tensor.shape],
            hashlib.sha256(tensor.data.tobytes()).hexdigest()[:32],
        ]
        for tensor in reader.tensors
    }
    return {"metadata": metadata, "tensors": tensors}


def _field(field: gguf.ReaderField) -> list[object]:
    kinds = "/".join(kind.name for kind in field.types)
    value = field.contents()
    if isinstance(value, list) and len(value) > _LONGEST:
        encoded = json.dumps(value, ensure_ascii=False).encode()
        return [kinds, {"count": len(value), "sha256": hashlib.sha256(encoded).hexdigest()}]
    return [kinds, value]
