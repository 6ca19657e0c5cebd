"""Events -> the answer of `POST /v1/chat/completions`, whole or as a stream of chunks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from edgellm.api.openai.output import (
    Head,
    Json,
    OpenAIStream,
    Totals,
    to_chat_logprob,
)
from edgellm.types import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)


class ChatStream(OpenAIStream):
    """A `StreamWriter`: a role chunk, deltas, a chunk with the finish reason; for each choice."""

    def __init__(self, head: Head, num_choices: int = 1, include_usage: bool = False) -> None:
        fields = head.fields("chat.completion.chunk")
        super().__init__(fields, num_choices, include_usage, "messages")

    def event(self, index: int, event: Event) -> Iterator[bytes]:
        match event:
            case Started():
                yield self._delta(index, {"role": "assistant", "content": "", "refusal": None})
            case TextDelta(text, logprobs):
                if text or logprobs:
                    yield self._delta(index, {"content": text}, logprobs)
            case ReasoningDelta(text):
                yield self._delta(index, {"reasoning_content": text})
            case ToolCallDelta():
                yield self._delta(index, {"tool_calls": [_tool_call_delta(event)]})
            case Finished(reason):
                yield self._last_chunk(_stream_choice(index, {}, None, reason), event)
            case _:
                assert_never(event)

    def _delta(self, index: int, delta: Json, logprobs: tuple[TokenLogprob, ...] = ()) -> bytes:
        items = _logprobs(logprobs) if logprobs else None
        return self._chunk(_stream_choice(index, delta, items, None))


def chat_completion(head: Head, num_choices: int, events: Iterable[tuple[int, Event]]) -> Json:
    """The whole answer, from the events of all choices."""
    choices = [_Choice() for _ in range(num_choices)]
    totals = Totals(num_choices)
    for index, event in events:
        choices[index].add(event)
        if isinstance(event, Finished):
            totals.add(index, event)
    return {
        **head.fields("chat.completion"),
        "choices": [choice.to_json(index) for index, choice in enumerate(choices)],
        "usage": totals.usage(),
        "timings": totals.timings(),
    }


class _Choice:
    """Puts one answer together."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._calls: dict[int, Json] = {}
        self._reason: str | None = None

    def add(self, event: Event) -> None:
        match event:
            case Started():
                pass
            case TextDelta(text, logprobs):
                self._text.append(text)
                self._logprobs.extend(logprobs)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case ToolCallDelta():
                self._add_call(event)
            case Finished(reason):
                self._reason = reason
            case _:
                assert_never(event)

    def to_json(self, index: int) -> Json:
        text = "".join(self._text)
        message: Json = {"role": "assistant", "content": text, "refusal": None}
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._calls:
            message["content"] = text or None
            message["tool_calls"] = list(self._calls.values())
        return {
            "index": index,
            "message": message,
            "logprobs": _logprobs(self._logprobs) if self._logprobs else None,
            "finish_reason": self._reason,
        }

    def _add_call(self, delta: ToolCallDelta) -> None:
        if delta.index in self._calls:
            self._calls[delta.index]["function"]["arguments"] += delta.arguments
        else:
            function = {"name": delta.name, "arguments": delta.arguments}
            self._calls[delta.index] = {"id": delta.id, "type": "function", "function": function}


def _stream_choice(index: int, delta: Json, logprobs: Json | None, reason: str | None) -> Json:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def _tool_call_delta(delta: ToolCallDelta) -> Json:
    if delta.id is None:
        return {"index": delta.index, "function": {"arguments": delta.arguments}}
    function = {"name": delta.name, "arguments": delta.arguments}
    return {"index": delta.index, "id": delta.id, "type": "function", "function": function}


def _logprobs(items: Iterable[TokenLogprob]) -> Json:
    return {"content": [to_chat_logprob(item) for item in items], "refusal": None}
