"""Answers as Server-Sent Events, for every dialect that streams.

The dialect's `StreamWriter` turns events into bytes; this module knows when to send, how a stream
fails half-way, and that the engine must stop once the client is gone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Protocol

import anyio
import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from edgellm.api.answers import Answers
from edgellm.errors import EngineBusy
from edgellm.types import Event

_PING_SECONDS = 15
_SHUTDOWN_GRACE_SECONDS = 2.0  # to tell the open streams that the server stops

_encode = msgspec.json.Encoder().encode


def frame(data: object) -> bytes:
    """One event whose data is compact JSON, which never holds a line break."""
    return b"data: " + _encode(data) + b"\n\n"


class StreamWriter(Protocol):
    """How a dialect writes a stream. All three give whole SSE events, ready to send."""

    def event(self, index: int, event: Event) -> Iterable[bytes]:
        """What an event of answer number `index` looks like; may be nothing."""

    def end(self) -> Iterable[bytes]:
        """What follows when every answer is finished."""

    def error(self, error: Exception) -> Iterable[bytes]:
        """How a stream ends that fails half-way. Nothing follows, not even `end()`."""


async def write_stream(answers: Answers, writer: StreamWriter) -> AsyncGenerator[bytes, None]:
    """The body. An error is told to the client, since the status is sent already."""
    try:
        async for index, event in answers:
            for data in writer.event(index, event):
                yield data
        for data in writer.end():
            yield data
    except Exception as error:  # noqa: BLE001 - the process's edge; the writer logs it
        for data in writer.error(error):
            yield data


class AnswerStream(EventSourceResponse):
    """Streams `answers` (already started) and closes them whatever happens.

    `EventSourceResponse` cancels the body when the client disconnects, but a body that was never
    begun has no `finally` to run; hence the closing in `__call__`.
    """

    def __init__(self, answers: Answers, writer: StreamWriter) -> None:
        self._answers = answers
        self._shutting_down = anyio.Event()
        super().__init__(
            write_stream(answers, writer),
            ping=_PING_SECONDS,
            sep="\n",
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            data_sender_callable=self._tell_shutdown,
            shutdown_event=self._shutting_down,
            shutdown_grace_period=_SHUTDOWN_GRACE_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._answers.aclose()

    async def _tell_shutdown(self) -> None:
        """A stream that the server's own end cuts off must not look like a complete one."""
        await self._shutting_down.wait()
        self._answers.fail(EngineBusy("The server is shutting down."))
