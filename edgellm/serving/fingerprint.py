"""What an answer's text depends on besides the request, in one short word. Knows no engine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edgellm.protocol import ModelInfo
from edgellm.serving.resolver import ServedModel

HEAD_BYTES = 64 * 1024  # of a file whose digest nobody knows
_RESULTS = ("kv_type", "flash_attention", "repack", "swa_cache", "gpu_layers")


def fingerprint(model: ServedModel, info: ModelInfo) -> str:
    """The same over restarts; another one for another file, engine, or way to compute."""
    options = [getattr(model.options, name) for name in _RESULTS]
    what = [file_identity(model), model.backend, info.engine, info.gpu_layers, options]
    return f"fp_{hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:10]}"


def file_identity(model: ServedModel) -> str:
    """The file's digest, or what can be had of it without reading all of it."""
    if model.digest:
        return model.digest
    try:
        status = model.path.stat()
        head = hashlib.sha256(_head(model.path)).hexdigest()
    except OSError:
        return str(model.path)
    return f"{status.st_size} {status.st_mtime_ns} {head}"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
