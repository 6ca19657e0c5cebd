"""Runs a program that is not ours: its output read line by line, ended when it shall stop, or when
we are gone.

Between us and it is a keeper (`keeper.py`), which ends the program's whole process group as soon as
our end of its standard input closes: a killed job leaves nothing running. Knows nothing of what the
programs do.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from edgellm.errors import QuantCancelled, QuantError

_KEEPER = (sys.executable, "-m", "edgellm_quant.keeper")
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 10.0  # that a program has to end when it is asked to
_LAST_LINES = 8


def run_tool(
    command: Sequence[str],
    name: str,
    *,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda _line: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> tuple[str, ...]:
    """Run a program to its end; returns its last lines.

    Args:
        name: what errors call it.
        environment: variables besides ours.
        on_line: is told every line of its output, both streams in the order in which they come;
            a progress bar's carriage return ends a line, too.

    Raises:
        QuantCancelled: `is_cancelled` said so; it has ended.
        QuantError: it cannot be started, or failed; the hint has its last words.
    """
    child = subprocess.Popen(  # noqa: S603  (our own interpreter)
        (*_KEEPER, *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        process_group=0,  # a Ctrl-C on the terminal reaches us alone
    )
    last = collections.deque[str](maxlen=_LAST_LINES)
    try:
        for line in _lines(child, name, is_cancelled):
            last.append(line)
            on_line(line)
        status = child.wait()
    finally:
        _end(child)
    if status:
        raise _failure(name, status, last)
    return tuple(last)


def _lines(
    child: subprocess.Popen[bytes], name: str, is_cancelled: Callable[[], bool]
) -> Iterator[str]:
    assert child.stdout is not None
    held = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if is_cancelled():
                raise QuantCancelled(f"{name} was cancelled.", "What was finished before is kept.")
            if not selector.select(_POLL_SECONDS):
                continue
            piece = os.read(child.stdout.fileno(), 1 << 16)
            *whole, held = (held + piece).replace(b"\r", b"\n").split(b"\n")
            texts = (each.decode("utf-8", "replace").strip() for each in (*whole, held))
            if not piece:
                yield from filter(None, texts)
                return
            yield from (each for each in list(texts)[:-1] if each)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Its standard input closes, so the keeper ends the program and then itself."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()
    try:
        child.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


def _failure(name: str, status: int, last: Sequence[str]) -> QuantError:
    words = " | ".join(last)
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return QuantError(
            f"{name} was killed (signal 9): most likely too little memory.",
            "Close other programs, or make it on a larger machine; see dmesg.",
        )
    if "No space left on device" in words:
        return QuantError(f"{name} failed: the disk is full.", "Make room, or use another disk.")
    reason = last[-1] if last else f"status {status}"
    return QuantError(f"{name} failed: {reason}", f"Its last words: {words}" if words else "")
