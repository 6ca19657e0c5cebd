"""Our events -> Anthropic's, as JSON: a message is a list of blocks, each begun, grown and ended.

A stream sends them as they are, a whole message is put together from them (`message.py`), so both
say the same. Pure.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, assert_never

from msgspec import Struct

from edgellm.api.anthropic.calls import InputStream, to_toolu
from edgellm.types import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
)

Json: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["text", "thinking", "tool_use"]

# Clients ask for a signature, keep it, and send it back with the block. Anthropic's proves that the
# text is a model's own; here nobody would be deceived, so it proves nothing and is never read.
SIGNATURE = "unsigned"


class Head(Struct, frozen=True):
    """What is known of a message before it begins."""

    id: str
    model: str


def new_head(model: str) -> Head:
    return Head(f"msg_{secrets.token_hex(12)}", model)


class MessageEvents:
    """One answer's events, in order."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._num_blocks = 0
        self._open: Kind | None = None  # what the newest block is, until it ends
        self._call: int | None = None  # the number of the newest call
        self._input = InputStream()

    def push(self, event: Event) -> Iterator[Json]:
        match event:
            case Started(num_tokens):
                yield self._start(num_tokens)
            case TextDelta(text):
                yield from self._grow("text", {"type": "text_delta", "text": text}, text)
            case ReasoningDelta(text):
                delta = {"type": "thinking_delta", "thinking": text}
                yield from self._grow("thinking", delta, text)
            case ToolCallDelta():
                yield from self._grow_call(event)
            case Finished():
                yield from self._finish(event)
            case _:
                assert_never(event)

    def _start(self, num_tokens: int) -> Json:
        """How many of the prompt's tokens were cached is known at the end only."""
        message: Json = {
            "id": self._head.id,
            "type": "message",
            "role": "assistant",
            "model": self._head.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": to_usage(Usage(num_tokens, 0)),
        }
        return {"type": "message_start", "message": message}

    def _grow(self, kind: Kind, delta: Json, text: str) -> Iterator[Json]:
        if not text:
            return
        if self._open != kind:
            begun = {"thinking": "", "signature": ""} if kind == "thinking" else {"text": ""}
            yield from self._begin(kind, begun)
        yield self._delta(delta)

    def _grow_call(self, event: ToolCallDelta) -> Iterator[Json]:
        if self._open != "tool_use" or self._call != event.index:
            begun = {"id": to_toolu(event.id or ""), "name": event.name or "", "input": {}}
            yield from self._begin("tool_use", begun)
            self._call, self._input = event.index, InputStream()
        yield from self._input_delta(self._input.push(event.arguments))

    def _begin(self, kind: Kind, fields: Json) -> Iterator[Json]:
        yield from self._end()
        self._open = kind
        self._num_blocks += 1
        block = {"type": kind, **fields}
        yield {
            "type": "content_block_start",
            "index": self._num_blocks - 1,
            "content_block": block,
        }

    def _end(self) -> Iterator[Json]:
        if self._open is None:
            return
        if self._open == "thinking":
            yield self._delta({"type": "signature_delta", "signature": SIGNATURE})
        if self._open == "tool_use":
            yield from self._input_delta(self._input.finish())
        self._open = None
        yield {"type": "content_block_stop", "index": self._num_blocks - 1}

    def _finish(self, finished: Finished) -> Iterator[Json]:
        """An answer without text has a block all the same: clients read the first one's text."""
        if not self._num_blocks:
            yield from self._begin("text", {"text": ""})
        yield from self._end()
        reason = to_stop_reason(finished)
        sequence = finished.stop if reason == "stop_sequence" else None
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": to_usage(finished.usage),
        }

    def _input_delta(self, text: str) -> Iterator[Json]:
        if text:
            yield self._delta({"type": "input_json_delta", "partial_json": text})

    def _delta(self, delta: Json) -> Json:
        return {"type": "content_block_delta", "index": self._num_blocks - 1, "delta": delta}


def to_stop_reason(finished: Finished) -> str:
    match finished.reason:
        case "tool_calls":
            return "tool_use"
        case "length":
            return "max_tokens"
        case "stop":
            return "end_turn" if finished.stop is None else "stop_sequence"


def to_usage(usage: Usage) -> Json:
    """`input_tokens` leaves out the cached ones, and nothing is written to a cache for a price."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }
