"""One response while it is made: the router's events in, the stream's events and the whole out.

Pure but for `keep`, which is handed every response that came to an end, also a failed one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from edgellm.api.errors import describe
from edgellm.api.openai.output import to_timings
from edgellm.api.responses.head import Head, Json
from edgellm.api.responses.items import Item, new_id
from edgellm.api.responses.output import Output
from edgellm.api.sse import named_frame
from edgellm.types import Event, Finished, Started, Usage

Keep: TypeAlias = Callable[[Json, list[Item]], None]


class ResponseAnswer:
    """`clock` gives Unix seconds."""

    def __init__(
        self,
        head: Head,
        keep: Keep,
        new_id: Callable[[str], str] = new_id,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._head = head
        self._keep = keep
        self._clock = clock
        self._output = Output(new_id)
        self._finished: Finished | None = None

    def begun(self) -> Json:
        """The response object before there is any output."""
        return self._head.to_json("in_progress")

    def add(self, event: Event) -> Iterator[Json]:
        if isinstance(event, Finished):
            self._finished = event
        return self._output.add(event)

    def end(self) -> Json:
        """The response object of an answer that is finished."""
        assert self._finished is not None
        usage, timings = self._finished.usage, self._finished.timings
        is_cut = self._finished.reason == "length"
        response = self._head.to_json(
            "incomplete" if is_cut else "completed",
            self._output.items(),
            completed_at=None if is_cut else int(self._clock()),
            incomplete_details={"reason": "max_output_tokens"} if is_cut else None,
            usage=to_usage(usage),
            timings=to_timings(usage, timings),
        )
        self._keep(response, self._output.items())
        return response

    def fail(self, error: Exception) -> Json:
        """The response object of an answer that broke off, with what there is of it."""
        told = describe(error, "input")
        shown = {"code": told.code or told.type, "message": told.text}
        response = self._head.to_json("failed", self._output.items(), error=shown)
        self._keep(response, self._output.items())
        return response


class ResponseStream:
    """A `StreamWriter` of one answer: every event has its name, its type and its number."""

    def __init__(self, answer: ResponseAnswer) -> None:
        self._answer = answer
        self._num_events = 0

    def event(self, _index: int, event: Event) -> Iterator[bytes]:
        if isinstance(event, Started):
            yield from self._begin()
        for payload in self._answer.add(event):
            yield self._frame(payload)

    def end(self) -> Iterator[bytes]:
        yield self._last_frame(self._answer.end())

    def error(self, error: Exception) -> Iterator[bytes]:
        """SDKs want 'created' first, even of a response that never came to be."""
        if not self._num_events:
            yield from self._begin()
        yield self._last_frame(self._answer.fail(error))

    def _begin(self) -> Iterator[bytes]:
        for name in ("created", "in_progress"):
            yield self._frame({"type": f"response.{name}", "response": self._answer.begun()})

    def _last_frame(self, response: Json) -> bytes:
        return self._frame({"type": f"response.{response['status']}", "response": response})

    def _frame(self, payload: Json) -> bytes:
        payload["sequence_number"] = self._num_events
        self._num_events += 1
        return named_frame(payload["type"], payload)


def whole_response(answer: ResponseAnswer, events: Iterable[tuple[int, Event]]) -> Json:
    """The response object, from all events of the one answer."""
    for _index, event in events:
        for _payload in answer.add(event):
            pass
    return answer.end()


def to_usage(usage: Usage) -> Json:
    """`cache_write_tokens` are those that OpenAI charges for; here nothing is charged."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
