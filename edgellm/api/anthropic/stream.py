"""Events -> the stream of `POST /v1/messages`: Server-Sent Events, each with its type. Pure.

A `ping` follows the beginning, as Anthropic's do; later ones are comments (`api/sse.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from edgellm.api.anthropic.errors import to_error
from edgellm.api.anthropic.events import Head, Json, MessageEvents
from edgellm.api.errors import describe
from edgellm.api.sse import frame
from edgellm.types import Event, Started


class MessageStream:
    """A `StreamWriter`. There is one answer only."""

    def __init__(self, head: Head, request_id: str = "") -> None:
        self._events = MessageEvents(head)
        self._request_id = request_id

    def event(self, index: int, event: Event) -> Iterator[bytes]:  # noqa: ARG002  (always 0)
        for piece in self._events.push(event):
            yield _named(piece)
        if isinstance(event, Started):
            yield _named({"type": "ping"})

    def end(self) -> Iterator[bytes]:
        yield _named({"type": "message_stop"})

    def error(self, error: Exception) -> Iterator[bytes]:
        yield _named(to_error(replace(describe(error), request_id=self._request_id)))


def _named(event: Json) -> bytes:
    kind: str = event["type"]
    return b"event: " + kind.encode() + b"\n" + frame(event)
