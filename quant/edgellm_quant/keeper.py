"""Keeps a program only as long as it is wanted: `python -m edgellm_quant.keeper PROGRAM ARGS...`

The program gets a process group of its own, which is ended when the keeper's standard input closes:
because its parent closed it, or is dead. Ends with the program's status, or 128 and its signal, as
a shell does. Programs that start others (a linker, workers) leave none behind.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

_NOT_FOUND = 127
_PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.1


def main(command: list[str]) -> int:
    """Run the program; its status."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)  # noqa: S603
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        return _NOT_FOUND
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            _end_group(child)
    _signal_group(child.pid, signal.SIGKILL)  # what it left behind
    status = child.returncode
    return 128 - status if status < 0 else status


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Ask, wait a little, and insist."""
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
