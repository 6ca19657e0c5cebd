"""Small acts on files that a power cut must not spoil. Knows bytes and folders, not models."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

UNFINISHED = ".part"


def file_digest(path: Path) -> str:
    """Tells one model file from another without reading all of it: its size, and 64 samples of
    4 KiB, spread from the first byte to the last."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for sample in range(64):
            file.seek(max(0, size - 4096) * sample // 63)
            digest.update(file.read(4096))
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Either the whole file is there afterwards, or the old state of the folder is."""
    unfinished = path.with_suffix(UNFINISHED)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
