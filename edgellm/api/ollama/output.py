"""What all of Ollama's answers share: times, durations, errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from edgellm.api.errors import ErrorAnswer
from edgellm.types import Finished, TokenLogprob

Json = dict[str, Any]

_NANOSECONDS = 1_000_000_000
_LEAST_LOGPROB = -9999.0  # JSON cannot hold minus infinity


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 in UTC, with nanoseconds."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def to_nanoseconds(seconds: float) -> int:
    return max(0, round(seconds * _NANOSECONDS))


class Head(Struct, frozen=True):
    """What every line of one answer begins with, and what its last one needs.

    `model` is the name that the client used.
    """

    model: str
    began: float  # on the steady clock
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], int] = time.time_ns
    warnings: Callable[[], list[str]] = list

    def fields(self) -> Json:
        return {"model": self.model, "created_at": timestamp(self.now())}

    def last(self, finished: Finished) -> Json:
        """Of an answer's last line. What is left of the whole time went into loading the model,
        and into making and reading the prompt."""
        usage, timings = finished.usage, finished.timings
        total = self.clock() - self.began
        computing = timings.queue_seconds + timings.prefill_seconds + timings.decode_seconds
        warnings = self.warnings()
        return {
            "done": True,
            "done_reason": "length" if finished.reason == "length" else "stop",
            "total_duration": to_nanoseconds(total),
            "load_duration": to_nanoseconds(total - computing),
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": to_nanoseconds(timings.prefill_seconds),
            "eval_count": usage.completion_tokens,
            "eval_duration": to_nanoseconds(timings.decode_seconds),
            **({"warnings": warnings} if warnings else {}),
        }


def to_logprobs(items: Iterable[TokenLogprob]) -> list[Json]:
    return [
        {
            **_logprob(item.token, item.logprob),
            **({"top_logprobs": [_logprob(*each) for each in item.top]} if item.top else {}),
        }
        for item in items
    ]


def error_body(answer: ErrorAnswer) -> Json:
    """Ollama's shape: one text. Clients that fetch what is missing look for the words of a 404."""
    if answer.code == "model_not_found" and answer.message.endswith("not found"):
        return {"error": answer.message, **({"hint": answer.hint} if answer.hint else {})}
    return {"error": answer.text}


def _logprob(token: bytes, logprob: float) -> Json:
    return {
        "token": token.decode("utf-8", "replace"),
        "logprob": max(logprob, _LEAST_LOGPROB),
        "bytes": list(token),
    }
