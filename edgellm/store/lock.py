"""Locks between processes, on files that the kernel unlocks when their holder dies.

`flock` itself and not the library `filelock`: a model that is served is held by many at once, which
needs shared locks, and only plain flock has them without a database. A lock file is never deleted:
somebody could wait for the deleted one while another takes its successor.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_SECONDS = 0.2
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextlib.contextmanager
def lock(
    path: Path,
    *,
    is_shared: bool = False,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[bool]:
    """Hold a lock. Gives False where another process has it and `on_wait` is None.

    Where nothing can be written, nothing can be changed either, and no lock is needed.

    Args:
        on_wait: called again and again while another process holds it; it may raise.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        yield True
        return
    try:
        yield _acquire(descriptor, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX, on_wait)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, kind: int, on_wait: Callable[[], None] | None) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is None:
                return False
            on_wait()
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            # Some network file systems have no locks: work without, as everybody there has to.
            if error.errno not in {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
            return True
        else:
            return True
