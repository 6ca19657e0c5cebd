"""What a disk's failures are called, and what to do about them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from edgellm.errors import DiskFull, FolderUnusable, StoreError


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk does to us into our own errors."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> StoreError:
    """What a disk's failure is called."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(
            f"The disk is full: {path.parent} has no room left.",
            "Make room (`edgellm du` says what models take, `edgellm rm` removes them) and pull "
            "again; what came so far is kept.",
        )
    if error.errno == errno.EFBIG:
        return DiskFull(
            f"The file system of {path.parent} cannot hold a file of that size.",
            "FAT32 ends at 4 GiB: set models_folder to another disk, or use exFAT or ext4; "
            "`ulimit -f` limits files, too.",
        )
    reason = error.strerror or type(error).__name__
    return FolderUnusable(
        f"{path.parent} cannot be used: {reason}.", "Set models_folder to another folder."
    )
