"""Streams of JSON documents, one a line (NDJSON). They have no comments: every line is data."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec
from sse_starlette import EventSourceResponse

from edgellm.api.sse import StreamFormat

NDJSON = StreamFormat("application/x-ndjson", has_comments=False)

_encode = msgspec.json.Encoder().encode


def line(data: object) -> bytes:
    """Compact JSON never holds a line break."""
    return _encode(data) + b"\n"


def line_stream(lines: AsyncGenerator[bytes, None]) -> EventSourceResponse:
    """Sends the lines of something that is no answer of a model. `lines` is cancelled when the
    client leaves; one that was never begun must need no closing."""
    return EventSourceResponse(lines, media_type=NDJSON.media_type, ping=0, sep="\n")
