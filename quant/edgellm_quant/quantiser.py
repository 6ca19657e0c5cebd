"""The parent's side of the quantising process: starts it, listens, and ends it.

llama.cpp cannot be interrupted and ends its process when it meets what it does not expect; hence a
process for each file. It has a process group of its own, so that a Ctrl-C on the terminal reaches
us alone.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import IO, Self

import msgspec

from edgellm.errors import QuantCancelled, QuantError
from edgellm_quant.llama_log import Saying
from edgellm_quant.quantise_child import Order, Outcome, Refusal, Told

COMMAND = (sys.executable, "-m", "edgellm_quant.quantise_child")
_POLL_SECONDS = 0.2
_LAST_LINES = 6
# A failed assertion of ggml would start a debugger for its backtrace.
_ENVIRONMENT = {"GGML_NO_BACKTRACE": "1"}


class Quantiser:
    """A child that follows orders, one after the other: to start it takes longer than a dry run.
    Use `with`."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._child = subprocess.Popen(  # noqa: S603  (our own interpreter)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT | os.environ,
            process_group=0,
        )
        assert self._child.stderr is not None
        self._talk = collections.deque[bytes](maxlen=_LAST_LINES)
        self._drain = threading.Thread(
            target=self._talk.extend, args=(self._child.stderr,), daemon=True
        )
        self._drain.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, whatever it does."""
        _end(self._child, self._drain)

    def follow(
        self,
        order: Order,
        on_saying: Callable[[Saying], None],
        is_cancelled: Callable[[], bool],
    ) -> int:
        """llama.cpp's status, 0 where all went well.

        Raises:
            QuantCancelled: `is_cancelled` said so; the child is of no use any more.
            QuantError: the child refused, or died.
        """
        assert self._child.stdout is not None
        _send(self._child, order)
        status = _listen(self._child.stdout, on_saying, is_cancelled)
        if status is None:
            self._drain.join(5)
            raise _death(self._child.wait(), self._talk)
        return status


def _send(child: subprocess.Popen[bytes], order: Order) -> None:
    """stdin stays open: its end would tell the child to end."""
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died; its output ends, too
        child.stdin.write(msgspec.json.encode(order) + b"\n")
        child.stdin.flush()


def _listen(
    output: IO[bytes], on_saying: Callable[[Saying], None], is_cancelled: Callable[[], bool]
) -> int | None:
    """The outcome's status; None where the child ended without one."""
    decoder = msgspec.json.Decoder(Told)
    for line in _lines(output, is_cancelled):
        told = decoder.decode(line)
        match told:
            case Outcome(status):
                return status
            case Refusal(message, hint):
                raise QuantError(message, hint)
            case saying:
                on_saying(saying)
    return None


def _lines(output: IO[bytes], is_cancelled: Callable[[], bool]) -> Iterator[bytes]:
    held = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            if is_cancelled():
                raise QuantCancelled("The job was cancelled.", "What is done is kept.")
            if not selector.select(_POLL_SECONDS):
                continue
            piece = os.read(output.fileno(), 1 << 16)
            if not piece:
                return
            *whole, held = (held + piece).split(b"\n")
            yield from whole


def _death(status: int, talk: collections.deque[bytes]) -> QuantError:
    words = " | ".join(line.decode("utf-8", "replace").strip() for line in talk if line.strip())
    if status == -9:
        return QuantError(
            "The quantising process was killed (signal 9): most likely too little memory.",
            "Close other programs, or use fewer --threads; see dmesg.",
        )
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return QuantError(
        f"The quantising process died {how}.", f"Its last words: {words}" if words else ""
    )


def _end(child: subprocess.Popen[bytes], drain: threading.Thread) -> None:
    """Whatever it does. Its group is its own, so nobody else is met."""
    child.kill()
    child.wait()
    drain.join(5)
    for pipe in filter(None, (child.stdin, child.stdout, child.stderr)):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
