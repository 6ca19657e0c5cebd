"""Events -> the answers of `/api/chat` and `/api/generate`, whole or as lines. Pure.

Both are alike but for the place of the text: in a message, or beside the other fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias, assert_never

from msgspec import Struct

from edgellm.api.errors import describe
from edgellm.api.ndjson import line
from edgellm.api.ollama.calls import Calls
from edgellm.api.ollama.output import Head, Json, error_body, to_logprobs
from edgellm.types import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)

Kind: TypeAlias = Literal["chat", "generate"]


class Part(Struct, frozen=True):
    """A piece of an answer, or all of it."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Json, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()

    def to_json(self, kind: Kind) -> Json:
        more: Json = {"thinking": self.thinking} if self.thinking else {}
        if self.calls:
            more["tool_calls"] = list(self.calls)
        logprobs = {"logprobs": to_logprobs(self.logprobs)} if self.logprobs else {}
        if kind == "generate":
            return {"response": self.text, **more, **logprobs}
        return {"message": {"role": "assistant", "content": self.text, **more}, **logprobs}


class Parts:
    """Cuts one answer's events into parts."""

    def __init__(self) -> None:
        self._calls = Calls()

    def of(self, event: Event) -> Iterator[Part]:
        match event:
            case Started():
                return
            case ToolCallDelta():
                yield from _closed(*self._calls.add(event))
                return
        yield from _closed(*self._calls.close())
        match event:
            case TextDelta(text, logprobs):
                if text or logprobs:
                    yield Part(text, logprobs=logprobs)
            case ReasoningDelta(text):
                yield Part(thinking=text)
            case Finished():
                pass
            case _:
                assert_never(event)


class OllamaStream:
    """A `StreamWriter`: a line for each part, and one with the figures."""

    def __init__(self, head: Head, kind: Kind) -> None:
        self._head, self._kind = head, kind
        self._parts = Parts()

    def event(self, index: int, event: Event) -> Iterator[bytes]:  # noqa: ARG002 - there is one
        for part in self._parts.of(event):
            yield line({**self._head.fields(), **part.to_json(self._kind), "done": False})
        if isinstance(event, Finished):
            yield line(_last(self._head, self._kind, Part(), event))

    def end(self) -> Iterator[bytes]:
        return iter(())

    def error(self, error: Exception) -> Iterator[bytes]:
        input_param = "messages" if self._kind == "chat" else "prompt"
        yield line(error_body(describe(error, input_param)))


def whole_answer(head: Head, kind: Kind, events: Iterable[tuple[int, Event]]) -> Json:
    """One document, from all events of the answer."""
    parts, found = Parts(), list[Part]()
    finished: Finished | None = None
    for _, event in events:
        found.extend(parts.of(event))
        if isinstance(event, Finished):
            finished = event
    assert finished is not None  # `Answers` sees to it
    everything = Part(
        "".join(part.text for part in found),
        "".join(part.thinking for part in found),
        tuple(call for part in found for call in part.calls),
        tuple(item for part in found for item in part.logprobs),
    )
    return _last(head, kind, everything, finished)


def without_answer(head: Head, kind: Kind, reason: Literal["load", "unload"]) -> Json:
    """To a request without messages, once the model is loaded, or has left."""
    return {**head.fields(), **Part().to_json(kind), "done": True, "done_reason": reason}


def _last(head: Head, kind: Kind, part: Part, finished: Finished) -> Json:
    return {**head.fields(), **part.to_json(kind), **head.last(finished)}


def _closed(calls: list[Json], text: str) -> Iterator[Part]:
    if calls or text:
        yield Part(text, calls=tuple(calls))
