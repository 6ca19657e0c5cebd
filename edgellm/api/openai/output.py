"""What OpenAI's two endpoints share in their answers: the head, usage, timings, the stream's end.

Plain dicts, encoded by msgspec: a chunk per token must cost little on a small CPU.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from edgellm.api.errors import describe
from edgellm.api.sse import frame
from edgellm.types import Event, Finished, Started, Timings, TokenLogprob, Usage

Json = dict[str, Any]

DONE = b"data: [DONE]\n\n"

_LEAST_LOGPROB = -9999.0  # OpenAI's stand-in for minus infinity, which JSON cannot hold


class Head(Struct, frozen=True):
    """What every chunk of one response repeats."""

    id: str
    created: int
    model: str
    is_legacy: bool = False  # the client knows functions, and no tools

    def fields(self, kind: str) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
        }


def new_head(prefix: str, model: str, *, is_legacy: bool = False) -> Head:
    return Head(f"{prefix}-{secrets.token_hex(12)}", int(time.time()), model, is_legacy)


def find_fingerprint(events: Iterable[tuple[int, Event]]) -> str | None:
    """Of the model that gave the answers."""
    found = (event.fingerprint for _, event in events if isinstance(event, Started))
    return next(found, "") or None


class Totals:
    """Adds up the finished answers of one response.

    Args:
        num_choices: answers to each prompt. A prompt's tokens count once, however many answers.
    """

    def __init__(self, num_choices: int) -> None:
        self._num_choices = num_choices
        self._prompt = self._completion = self._cached = self._reasoning = 0
        self._timings = Timings()

    def add(self, index: int, finished: Finished) -> None:
        usage, new, old = finished.usage, finished.timings, self._timings
        self._completion += usage.completion_tokens
        self._reasoning += usage.reasoning_tokens
        if index % self._num_choices == 0:
            self._prompt += usage.prompt_tokens
            self._cached += usage.cached_tokens
        self._timings = Timings(  # the answers are made at the same time
            max(old.queue_seconds, new.queue_seconds),
            max(old.prefill_seconds, new.prefill_seconds),
            max(old.decode_seconds, new.decode_seconds),
        )

    def usage(self) -> Json:
        return {
            "prompt_tokens": self._prompt,
            "completion_tokens": self._completion,
            "total_tokens": self._prompt + self._completion,
            "prompt_tokens_details": {"cached_tokens": self._cached},
            "completion_tokens_details": {"reasoning_tokens": self._reasoning},
        }

    def timings(self) -> Json:
        return to_timings(Usage(self._prompt, self._completion, self._cached), self._timings)


def to_timings(usage: Usage, timings: Timings) -> Json:
    """Our extension, under the names that llama-server gave it. `prompt_n` leaves out the tokens
    that were cached, since they took no time."""
    prompt_n = usage.prompt_tokens - usage.cached_tokens
    return {
        "cache_n": usage.cached_tokens,
        "prompt_n": prompt_n,
        "prompt_ms": _milliseconds(timings.prefill_seconds),
        "prompt_per_token_ms": _milliseconds(_share(timings.prefill_seconds, prompt_n)),
        "prompt_per_second": _rate(prompt_n, timings.prefill_seconds),
        "predicted_n": usage.completion_tokens,
        "predicted_ms": _milliseconds(timings.decode_seconds),
        "predicted_per_token_ms": _milliseconds(
            _share(timings.decode_seconds, usage.completion_tokens)
        ),
        "predicted_per_second": _rate(usage.completion_tokens, timings.decode_seconds),
        "queue_ms": _milliseconds(timings.queue_seconds),
    }


class OpenAIStream:
    """The half of a `StreamWriter` that is alike in both endpoints.

    Args:
        head: the fields that every chunk begins with.
        num_choices: answers to each prompt.
        include_usage: end with a chunk of the whole request's usage; it is null in the others.
        input_param: the field that errors about the prompt name.
    """

    def __init__(self, head: Json, num_choices: int, include_usage: bool, input_param: str) -> None:
        self._head = head
        self._tail: Json = {"usage": None} if include_usage else {}
        self._totals = Totals(num_choices)
        self._input_param = input_param

    def end(self) -> Iterator[bytes]:
        if self._tail:
            usage, timings = self._totals.usage(), self._totals.timings()
            yield frame({**self._head, "choices": [], "usage": usage, "timings": timings})
        yield DONE

    def error(self, error: Exception) -> Iterator[bytes]:
        yield frame(describe(error, self._input_param).body())

    def _begin(self, started: Started) -> None:
        """What only the model that answers can tell; comes before any chunk."""
        self._head["system_fingerprint"] = started.fingerprint or None

    def _chunk(self, choice: Json) -> bytes:
        return frame({**self._head, "choices": [choice], **self._tail})

    def _last_chunk(self, choice: Json, finished: Finished) -> bytes:
        """A choice's last one. Its timings are this choice's own."""
        self._totals.add(choice["index"], finished)
        timings = to_timings(finished.usage, finished.timings)
        return frame({**self._head, "choices": [choice], **self._tail, "timings": timings})


def finite(logprob: float) -> float:
    return max(logprob, _LEAST_LOGPROB)


def to_chat_logprob(item: TokenLogprob) -> Json:
    top = [_token_logprob(token, logprob) for token, logprob in item.top]
    return {**_token_logprob(item.token, item.logprob), "top_logprobs": top}


def _token_logprob(token: bytes, logprob: float) -> Json:
    return {
        "token": token.decode("utf-8", "replace"),
        "logprob": finite(logprob),
        "bytes": list(token),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _share(seconds: float, count: int) -> float:
    return seconds / count if count else 0.0


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 3) if seconds > 0 else 0.0
