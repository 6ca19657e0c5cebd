"""Small acts on files that a power cut must not spoil. Knows bytes and folders, not models."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from edgellm.atomic import UNFINISHED

_CHUNK_BYTES = 1 << 20
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EACCES}


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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut; only their contents did, so far."""
    with contextlib.suppress(OSError):  # not every file system lets a folder be synced
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_through(file: IO[bytes], take: Callable[[bytes], object]) -> int:
    """Give all that is left of a file to `take`, piece by piece; returns the number of bytes."""
    total = 0
    while piece := file.read(_CHUNK_BYTES):
        take(piece)
        total += len(piece)
    return total


def link_or_copy(source: Path, target: Path) -> None:
    """A second name of the same bytes, or a copy of them where there are no hard links.

    Raises:
        OSError: the disk is full, or a file cannot be read or written.
    """
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source.resolve())  # of the file itself, not of a symbolic link
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        unfinished = target.with_name(target.name + UNFINISHED)
        try:
            shutil.copyfile(source, unfinished)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
