"""The parent's side of a working child process (`worker.py`): one child for each piece of work.

llama.cpp may abort, and the kernel may kill for memory: that is a QuantError here, and nothing else
is lost.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO

import msgspec

from edgellm.errors import QuantCancelled, QuantError
from edgellm.serving.process import ENGINE_ENVIRONMENT
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.work import Answer, Problem, Progress, Result, Work, decode_answer, encode

COMMAND = (sys.executable, "-m", "edgellm_quant.worker")
_LOOK_SECONDS = 0.2  # between two looks at whether it was cancelled
_GRACE_SECONDS = 20.0  # for a cancelled child to finish its window and save what it has


def do(
    work: Work,
    *,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
    command: Sequence[str] = COMMAND,
) -> Result:
    """Have the work done by a child, and wait for it.

    Raises:
        QuantCancelled: `is_cancelled` said so; the child has ended.
        EdgellmError: what the child met, or that it died.
    """
    with tempfile.TemporaryFile() as stderr, _start(command, stderr) as child:
        assert child.stdin is not None
        try:
            child.stdin.write(encode(work))
            child.stdin.flush()
        except BrokenPipeError:
            raise _death(child, stderr) from None
        for answer in _answers(child, is_cancelled):
            match answer:
                case Progress():
                    on_progress(answer.done, answer.total)
                case Problem():
                    raise answer.error()
                case _:
                    if is_cancelled():
                        raise QuantCancelled("It was cancelled.")
                    return answer
        raise _death(child, stderr)


@contextlib.contextmanager
def _start(command: Sequence[str], stderr: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The child, which is gone when the `with` is left, however that is."""
    try:
        child = subprocess.Popen(  # noqa: S603  (our own interpreter)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=ENGINE_ENVIRONMENT | os.environ,
        )
    except OSError as error:
        raise QuantError(f"The working process cannot be started: {error}.") from error
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(BrokenPipeError):  # what it did not read any more
                if pipe is not None:
                    pipe.close()


def _answers(child: subprocess.Popen[bytes], is_cancelled: IsCancelled) -> Iterator[Answer]:
    """What the child says, until its output ends; a cancelled one is asked to stop first."""
    assert child.stdin is not None
    assert child.stdout is not None
    output, rest, patience_ends = child.stdout.fileno(), b"", float("inf")
    while True:
        if patience_ends == float("inf") and is_cancelled():
            child.stdin.close()
            patience_ends = time.monotonic() + _GRACE_SECONDS
        if time.monotonic() > patience_ends:
            raise QuantCancelled("It was cancelled, and did not stop by itself.")
        if not select.select([output], [], [], _LOOK_SECONDS)[0]:
            continue
        data = os.read(output, 1 << 16)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        try:
            yield from map(decode_answer, lines)
        except msgspec.DecodeError as error:
            raise QuantError(f"The working process wrote nonsense: {error}.") from error


def _death(child: subprocess.Popen[bytes], stderr: IO[bytes]) -> QuantError:
    """Why the child is gone: its signal, or its last words."""
    status = child.wait()
    if status == -9:
        return QuantError(
            "The working process was killed (signal 9): most likely too little memory.",
            "Close other programs, or measure with a smaller context; see dmesg.",
        )
    stderr.seek(0)
    lines = [line for line in stderr.read().decode("utf-8", "replace").split("\n") if line.strip()]
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    words = " | ".join(lines[-3:])
    return QuantError(
        f"The working process died {how}.", f"Its last words: {words}" if words else ""
    )
