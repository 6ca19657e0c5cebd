"""Answers as a stream, for every dialect: as Server-Sent Events, or in another `StreamFormat`.

The dialect's `StreamWriter` turns events into bytes; this module knows when to send, how a stream
fails half-way, and that the engine must stop once the client is gone.

A stream begins, with status 200, once every prompt is accepted; an error before that has a status
of its own. But a model that has to be loaded may take minutes, and clients and proxies give up on
silence: after `STATUS_SECONDS` of it the stream begins early, with comments that say what it waits
for, and an error that comes then is an event in it. A format without comments waits in silence, and
its errors keep their status.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Protocol, TypeAlias

import anyio
import msgspec
from msgspec import Struct
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from edgellm.api.answers import Answers
from edgellm.errors import EngineBusy
from edgellm.types import Event, ModelStatus

_PING_SECONDS = 15
_SHUTDOWN_GRACE_SECONDS = 2.0  # to tell the open streams that the server stops

STATUS_SECONDS = 2.0  # that an answer's status waits for its model to be loaded
COMMENT_SECONDS = 1.0  # between two comments of a stream that waits

Obstacle: TypeAlias = Callable[[], str | None]

_encode = msgspec.json.Encoder().encode


class StreamFormat(Struct, frozen=True):
    """What a stream is called, and whether it has lines that clients ignore: pings and comments."""

    media_type: str
    has_comments: bool


SSE = StreamFormat("text/event-stream", has_comments=True)


def frame(data: object) -> bytes:
    """One event whose data is compact JSON, which never holds a line break."""
    return b"data: " + _encode(data) + b"\n\n"


def named_frame(name: str, data: object) -> bytes:
    """The same with the event's name before it."""
    return b"event: " + name.encode() + b"\n" + frame(data)


def comment(text: str) -> bytes:
    """A line that clients must ignore."""
    return b": " + " ".join(text.split()).encode() + b"\n\n"


def obstacle_of(status: ModelStatus) -> str | None:
    """What a request for the model waits for; None when it is loaded."""
    match status.state:
        case "ready":
            return None
        case "starting":
            return f"loading {status.id} {status.progress:.0%}".replace("%", " %")
        case "waiting":
            return f"waiting for memory to load {status.id}"
        case _:
            return f"waiting for {status.id}"


async def has_started(answers: Answers, obstacle: Obstacle) -> bool:
    """Wait until every prompt is accepted, or for a while if something is in the way. Raises what
    `answers.start()` raises."""
    while True:
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                await answers.start()
            return True
        except TimeoutError:
            if obstacle() is not None:
                return False


class StreamWriter(Protocol):
    """How a dialect writes a stream. All three give whole events (or lines), ready to send."""

    def event(self, index: int, event: Event) -> Iterable[bytes]:
        """What an event of answer number `index` looks like; may be nothing."""

    def end(self) -> Iterable[bytes]:
        """What follows when every answer is finished."""

    def error(self, error: Exception) -> Iterable[bytes]:
        """How a stream ends that fails half-way. Nothing follows, not even `end()`."""


async def write_stream(
    answers: Answers, writer: StreamWriter, obstacle: Obstacle | None = None
) -> AsyncGenerator[bytes, None]:
    """The body. An error is told to the client, since the status is sent already.

    Args:
        obstacle: of answers that have not started yet.
    """
    try:
        if obstacle is not None:
            async for data in _comments(answers, obstacle):
                yield data
        async for index, event in answers:
            for data in writer.event(index, event):
                yield data
        for data in writer.end():
            yield data
    except Exception as error:  # noqa: BLE001 - the process's edge; the writer logs it
        for data in writer.error(error):
            yield data


async def _comments(answers: Answers, obstacle: Obstacle) -> AsyncGenerator[bytes, None]:
    """Until all answers have started, what they wait for."""
    while True:
        if (text := obstacle()) is not None:
            yield comment(text)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMMENT_SECONDS):
                await answers.start()
            return


class AnswerStream(EventSourceResponse):
    """Streams `answers` and closes them whatever happens. Where they have not started yet, it says
    what the obstacle is until they have.

    `EventSourceResponse` cancels the body when the client disconnects, but a body that was never
    begun has no `finally` to run; hence the closing in `__call__`.
    """

    def __init__(
        self,
        answers: Answers,
        writer: StreamWriter,
        obstacle: Obstacle | None = None,
        form: StreamFormat = SSE,
    ) -> None:
        self._answers = answers
        self._shutting_down = anyio.Event()
        super().__init__(
            write_stream(answers, writer, obstacle),
            media_type=form.media_type,
            ping=_PING_SECONDS if form.has_comments else 0,
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
