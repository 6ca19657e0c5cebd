"""Events -> the whole answer of `POST /v1/messages`. Pure.

It is what a client would make of the stream, with the input of each call parsed.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgellm.api.anthropic.calls import to_input
from edgellm.api.anthropic.events import Head, Json, MessageEvents
from edgellm.types import Event


def to_message(head: Head, events: Iterable[tuple[int, Event]]) -> Json:
    """The message, from the events of its one answer."""
    written = MessageEvents(head)
    builder = _Builder()
    for _, event in events:
        for piece in written.push(event):
            builder.add(piece)
    return builder.message


class _Builder:
    """Puts the events of a stream together. Texts are joined when their block ends."""

    def __init__(self) -> None:
        self.message: Json = {}
        self._pieces: list[str] = []

    def add(self, event: Json) -> None:
        match event:
            case {"type": "message_start", "message": message}:
                self.message = message
            case {"type": "content_block_start", "content_block": block}:
                self.message["content"].append(block)
                self._pieces = []
            case {"type": "content_block_delta", "delta": delta}:
                self._grow(delta)
            case {"type": "content_block_stop"}:
                self._end(self.message["content"][-1], "".join(self._pieces))
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                self.message |= {**delta, "usage": usage}

    def _grow(self, delta: Json) -> None:
        match delta:
            case {"signature": signature}:
                self.message["content"][-1]["signature"] = signature
            case {"text": text} | {"thinking": text} | {"partial_json": text}:
                self._pieces.append(text)

    @staticmethod
    def _end(block: Json, text: str) -> None:
        kind = block["type"]
        match kind:
            case "tool_use":
                block["input"] = to_input(text)
            case _:
                block[kind] = text
