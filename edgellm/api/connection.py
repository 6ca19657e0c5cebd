"""One client's connection: uvicorn's, with limits for those who are slow, silent or too many.

uvicorn bounds the head of a request and the pause between two of them, and nothing else: a client
that sends its head or its body byte by byte, or that stops reading its answer, would hold a
connection, an answer and the engine's slot for as long as it likes. Here it is cut, and the request
that it was in the middle of ends as if the client had left. What a request may say is not known.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any, ClassVar, Literal, TypeAlias

import h11
import msgspec
from msgspec import Struct
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgellm.api.errors import ErrorAnswer
from edgellm.api.guard import MAX_HEAD_BYTES

# "late": a body that goes on after the answer to it is complete.
Phase: TypeAlias = Literal["head", "body", "late", "answer"]

_UNSENT_BYTES = 64 * 1024  # that the system takes of an answer before the network does
_NO_LINGER = struct.pack("ii", 1, 0)
_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class Limits(Struct, frozen=True):
    """What a client may take its time for."""

    head_seconds: float = 20.0  # from the connection, or a request's first byte, to its headers
    body_seconds: float = 30.0  # that a body may take, besides what its size allows
    body_bytes_per_second: int = 2048  # a slower one is cut: GPRS is twice as fast
    late_bytes: int = 64 * 2**20  # of a body that are thrown away once the answer is complete
    stalled_seconds: float = 30.0  # that a client may leave its answer unread
    max_connections: int = 512  # below the usual 1024 open files of a process


class Connection(H11Protocol):
    """Watches one deadline: of the head, of the body, or none while the server is to answer."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._phase: tuple[Phase, object] = ("answer", None)
        self._phase_began = 0.0
        self._num_bytes = 0  # that came in this phase
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        notice_the_dead(transport.get_extra_info("socket"), self.limits.stalled_seconds)
        if len(self.connections) > self.limits.max_connections:
            self._refuse(too_many(self.limits.max_connections))
        else:
            self._enter("head")

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._num_bytes += len(data)
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def send_400_response(self, msg: str) -> None:
        """In our words; uvicorn's own would fail where an answer has begun."""
        is_long = len(self.conn.trailing_data[0]) > MAX_HEAD_BYTES
        self._refuse(head_too_large() if is_long else not_http(msg))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.stalled_seconds, self._cut)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _follow(self) -> None:
        """What the client does now, after bytes or an answer have moved it on."""
        if self.conn.their_state is h11.SEND_BODY:
            self._enter("late" if self.cycle.response_complete else "body")
            if self._phase[0] == "late" and self._num_bytes > self.limits.late_bytes:
                self._cut()
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._enter("head")
        elif self.conn.their_state is not h11.IDLE or self.cycle is not None:
            self._enter("answer")  # or nothing: uvicorn limits the pause between requests

    def _enter(self, phase: Phase) -> None:
        now = (phase, self.cycle)
        if now == self._phase or self.transport.is_closing():
            return
        self._phase, self._phase_began, self._num_bytes = now, self.loop.time(), 0
        if self._deadline is not None:
            self._deadline.cancel()
        if phase != "answer":
            self._watch()

    def _watch(self) -> None:
        """Wait for the deadline, which a body's bytes put off."""
        if self.flow.read_paused:  # it is we who do not read
            self._phase_began, self._num_bytes = self.loop.time(), 0
        late = self.loop.time() - self._phase_began - self._allowed_seconds()
        if late >= 0:
            self._refuse(too_slow(self._phase[0]))
        else:
            self._deadline = self.loop.call_later(-late, self._watch)

    def _allowed_seconds(self) -> float:
        if self._phase[0] == "head":
            return self.limits.head_seconds
        return self.limits.body_seconds + self._num_bytes / self.limits.body_bytes_per_second

    def _refuse(self, answer: ErrorAnswer) -> None:
        """Say why if the client is to get an answer, and hang up."""
        self._is_refused = True
        if self.transport.is_closing():
            return
        if self._can_tell():
            self.transport.write(raw(answer))
        self.transport.close()

    def _can_tell(self) -> bool:
        """Whether the client waits for the first byte of an answer."""
        match self._phase[0]:
            case "late":
                return False
            case "head" if not (self._num_bytes or self.conn.trailing_data[0]):
                # A browser's spare connection.
                return False
        cycle = self.cycle
        return cycle is None or cycle.response_complete or not cycle.response_started

    def _cut(self) -> None:
        """Now, without waiting until it has read what was written: the system forgets that too."""
        self._is_refused = True
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()


def connection_class(limits: Limits) -> type[Connection]:
    """The class of a server's connections, as uvicorn wants it."""
    return type("Connection", (Connection,), {"limits": limits})


def notice_the_dead(connection: socket.socket | None, stalled_seconds: float) -> None:
    """Let the system tell when a client vanishes without a word, as after a power cut, and keep it
    from taking a whole answer that nobody reads. Where it can: Linux, in part macOS."""
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    seconds = max(1, round(stalled_seconds))
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPINTVL", max(1, seconds // 3)),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 1000 * seconds),
        ("TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
    ):
        if (option := getattr(socket, name, None)) is not None:
            with contextlib.suppress(OSError):  # it is gone already
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


def too_slow(phase: str) -> ErrorAnswer:
    return _answer(408, "request_timeout", f"The {phase} of the request came too slowly.")


def too_many(max_connections: int) -> ErrorAnswer:
    message = f"The server has {max_connections} connections, the most that it takes."
    return _answer(503, "too_many_connections", message, retry_seconds=1.0)


def head_too_large() -> ErrorAnswer:
    message = f"The head of the request is larger than {MAX_HEAD_BYTES} bytes."
    return _answer(431, "request_head_too_large", message)


def not_http(message: str) -> ErrorAnswer:
    return _answer(400, "invalid_http", message)


def raw(answer: ErrorAnswer) -> bytes:
    """A whole HTTP answer, the last of its connection. Nobody knows which dialect was meant."""
    body = msgspec.json.encode(answer.body())
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **answer.headers(),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n{lines}\r\n"
    return head.encode() + body


def _answer(
    status: int, code: str, message: str, retry_seconds: float | None = None
) -> ErrorAnswer:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return ErrorAnswer(status, kind, code, message, retry_seconds=retry_seconds)
