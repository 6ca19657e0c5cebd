"""The files of a model: one, or as many as it was split into."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgellm.errors import ModelFileError
from edgellm.store.gguf_header import part_names, read_header


def part_paths(model: Path) -> list[Path]:
    """All files of the model whose first file this is. One that cannot be read is its own only
    part: whoever loads it will say what is wrong with it."""
    try:
        count = read_header(model).num_parts
    except ModelFileError:
        return [model]
    return [model.parent / name for name in part_names(model.name, count)] if count > 1 else [model]


def model_digest(model: Path) -> str:
    """Of every byte: two quantisations of the same size, made of the same model, may differ
    anywhere."""
    digest = hashlib.sha256()
    for path in part_paths(model):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def model_bytes(model: Path) -> int:
    """What its files take."""
    return sum(path.stat().st_size for path in part_paths(model))
