"""Events -> the answer of `POST /v1/chat/completions`, whole or as a stream of chunks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from edgellm.api.openai.output import (
    Head,
    Json,
    OpenAIStream,
    Totals,
    find_fingerprint,
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
        self._is_legacy = head.is_legacy
        super().__init__(fields, num_choices, include_usage, "messages")

    def event(self, index: int, event: Event) -> Iterator[bytes]:
        match event:
            case Started():
                self._begin(event)
                yield self._delta(index, {"role": "assistant", "content": "", "refusal": None})
            case TextDelta(text, logprobs):
                if text or logprobs:
                    yield self._delta(index, {"content": text}, logprobs)
            case ReasoningDelta(text):
                yield self._delta(index, {"reasoning_content": text})
            case ToolCallDelta():
                yield self._delta(index, _tool_call_delta(event, is_legacy=self._is_legacy))
            case Finished():
                reason = _finish_reason(event, is_legacy=self._is_legacy)
                yield self._last_chunk(_stream_choice(index, {}, None, reason), event)
            case _:
                assert_never(event)

    def _delta(self, index: int, delta: Json, logprobs: tuple[TokenLogprob, ...] = ()) -> bytes:
        items = _logprobs(logprobs) if logprobs else None
        return self._chunk(_stream_choice(index, delta, items, None))


def chat_completion(head: Head, num_choices: int, events: Sequence[tuple[int, Event]]) -> Json:
    """The whole answer, from the events of all choices."""
    choices = [_Choice(head.is_legacy) for _ in range(num_choices)]
    totals = Totals(num_choices)
    for index, event in events:
        choices[index].add(event)
        if isinstance(event, Finished):
            totals.add(index, event)
    return {
        **head.fields("chat.completion"),
        "system_fingerprint": find_fingerprint(events),
        "choices": [choice.to_json(index) for index, choice in enumerate(choices)],
        "usage": totals.usage(),
        "timings": totals.timings(),
    }


class _Choice:
    """Puts one answer together."""

    def __init__(self, is_legacy: bool) -> None:
        self._is_legacy = is_legacy
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
            case Finished():
                self._reason = _finish_reason(event, is_legacy=self._is_legacy)
            case _:
                assert_never(event)

    def to_json(self, index: int) -> Json:
        text = "".join(self._text)
        message: Json = {"role": "assistant", "content": text, "refusal": None}
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        calls = list(self._calls.values())
        if calls:
            message["content"] = text or None
        if calls and self._is_legacy:
            message["function_call"] = calls.pop(0)["function"]
        if calls:
            message["tool_calls"] = calls
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


def _tool_call_delta(delta: ToolCallDelta, *, is_legacy: bool) -> Json:
    """In the old shape there is room for one call. That is all that was asked for; should a model
    make more, they are told as tools' calls rather than lost."""
    function: Json = {"arguments": delta.arguments}
    call: Json = {"index": delta.index, "function": function}
    if delta.id is not None:
        function = {"name": delta.name, "arguments": delta.arguments}
        call = {"index": delta.index, "id": delta.id, "type": "function", "function": function}
    return {"function_call": function} if is_legacy and not delta.index else {"tool_calls": [call]}


def _finish_reason(finished: Finished, *, is_legacy: bool) -> str:
    return "function_call" if is_legacy and finished.reason == "tool_calls" else finished.reason


def _logprobs(items: Iterable[TokenLogprob]) -> Json:
    return {"content": [to_chat_logprob(item) for item in items], "refusal": None}
