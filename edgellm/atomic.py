"""Writes a file so that a reader, or a power cut, finds the old one or the new one and no half."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

UNFINISHED = ".part"  # ends the name of a file that is being written


def write_atomically(path: Path, *parts: bytes) -> None:
    """The parts, one behind the other, through a temporary file in the same folder, which must
    exist. To join large parts first would take their memory once more.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=UNFINISHED, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
