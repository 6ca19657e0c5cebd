"""Events -> the answer of `POST /v1/completions`, whole or as a stream. Pure.

The stream's chunks have the same shape as the whole answer. Raw prompts are not parsed, so there
is neither reasoning nor tool calls here.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence

from edgellm.api.openai.output import Head, Json, OpenAIStream, Totals, find_fingerprint, finite
from edgellm.types import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)


class CompletionStream(OpenAIStream):
    """A `StreamWriter`: text chunks, then one with the finish reason; for each choice."""

    def __init__(self, head: Head, num_choices: int = 1, include_usage: bool = False) -> None:
        super().__init__(head.fields("text_completion"), num_choices, include_usage, "prompt")
        self._offsets: dict[int, Offsets] = {}

    def event(self, index: int, event: Event) -> Iterator[bytes]:
        match event:
            case TextDelta(text, logprobs):
                if text or logprobs:
                    yield self._chunk(_to_choice(index, text, self._logprobs(index, event), None))
            case Finished():
                yield self._last_chunk(_to_choice(index, "", None, finish_reason(event)), event)
            case Started():
                self._begin(event)
            case _:
                raise _not_raw(event)

    def _logprobs(self, index: int, delta: TextDelta) -> Json | None:
        offsets = self._offsets.setdefault(index, Offsets()).add(delta)
        return to_logprobs(delta.logprobs, offsets) if delta.logprobs else None


def completion(
    head: Head, num_answers: int, num_choices: int, events: Sequence[tuple[int, Event]]
) -> Json:
    """The whole answer. `num_answers` = prompts x `num_choices`."""
    choices = [_Choice() for _ in range(num_answers)]
    totals = Totals(num_choices)
    for index, event in events:
        choices[index].add(event)
        if isinstance(event, Finished):
            totals.add(index, event)
    return {
        **head.fields("text_completion"),
        "system_fingerprint": find_fingerprint(events),
        "choices": [choice.to_json(index) for index, choice in enumerate(choices)],
        "usage": totals.usage(),
        "timings": totals.timings(),
    }


class _Choice:
    """Puts one answer together."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._positions: list[int] = []
        self._offsets = Offsets()
        self._reason: str | None = None

    def add(self, event: Event) -> None:
        match event:
            case TextDelta(text, logprobs):
                self._text.append(text)
                self._positions.extend(self._offsets.add(event))
                self._logprobs.extend(logprobs)
            case Finished():
                self._reason = finish_reason(event)
            case Started():
                pass
            case _:
                raise _not_raw(event)

    def to_json(self, index: int) -> Json:
        logprobs = to_logprobs(self._logprobs, self._positions) if self._logprobs else None
        return _to_choice(index, "".join(self._text), logprobs, self._reason)


class Offsets:
    """Where each token begins in the text, in characters. Text that comes before any token is
    the prompt that `echo` asked for."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._position = 0
        self._has_tokens = False

    def add(self, delta: TextDelta) -> list[int]:
        if not self._has_tokens and not delta.logprobs:
            self._position += len(delta.text)
        self._has_tokens = self._has_tokens or bool(delta.logprobs)
        positions = []
        for item in delta.logprobs:
            positions.append(self._position)
            self._position += len(self._decoder.decode(item.token))
        return positions


def _to_choice(index: int, text: str, logprobs: Json | None, reason: str | None) -> Json:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}


def to_logprobs(items: Sequence[TokenLogprob], offsets: Sequence[int]) -> Json:
    """OpenAI's legacy shape: parallel arrays. The chosen token is always among the top ones."""
    return {
        "tokens": [token_text(item.token) for item in items],
        "token_logprobs": [finite(item.logprob) for item in items],
        "top_logprobs": [
            {token_text(token): finite(p) for token, p in (*item.top, (item.token, item.logprob))}
            for item in items
        ],
        "text_offset": list(offsets),
    }


def token_text(token: bytes) -> str:
    """A part of a character is written as OpenAI does: ``bytes:\\xe2\\x82``."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)


def _not_raw(event: ReasoningDelta | ToolCallDelta) -> AssertionError:
    """Our own mistake: better an internal error than a part of the answer lost."""
    return AssertionError(f"the answer to a raw prompt was parsed: {type(event).__name__}")


def finish_reason(finished: Finished) -> str:
    return "length" if finished.reason == "length" else "stop"
