"""The router's events -> the items of an answer, and the stream's events about them. Pure.

Each kind of item has a class that knows it while it grows: what is told when it begins, grows and
ends. One item is open at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, assert_never

from edgellm.api.openai.output import to_chat_logprob
from edgellm.api.responses.items import (
    CallItem,
    Item,
    MessageItem,
    OutputText,
    ReasoningItem,
    ReasoningText,
    Status,
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

Json = dict[str, Any]


class Growing(Protocol):
    """An item that is not complete. `place` is where events say it is."""

    def item(self, status: Status) -> Item: ...

    def begin(self) -> list[Json]:
        """What is told between 'added' and the first delta."""

    def end(self) -> list[Json]:
        """What is told between the last delta and 'done'."""


class GrowingMessage:
    def __init__(self, id_: str, index: int) -> None:
        self._id = id_
        self._place = {"item_id": id_, "output_index": index, "content_index": 0}
        self._texts: list[str] = []
        self._logprobs: list[Json] = []

    def item(self, status: Status) -> MessageItem:
        content = () if status == "in_progress" else (self._part(),)
        return MessageItem(self._id, "assistant", content, status)

    def begin(self) -> list[Json]:
        return [{"type": "response.content_part.added", **self._place, "part": OutputText("")}]

    def add(self, text: str, logprobs: list[Json]) -> Json:
        self._texts.append(text)
        self._logprobs.extend(logprobs)
        type_ = "response.output_text.delta"
        return {"type": type_, **self._place, "delta": text, "logprobs": logprobs}

    def end(self) -> list[Json]:
        part = self._part()
        whole = {"text": part.text, "logprobs": part.logprobs}
        return [
            {"type": "response.output_text.done", **self._place, **whole},
            {"type": "response.content_part.done", **self._place, "part": part},
        ]

    def _part(self) -> OutputText:
        return OutputText("".join(self._texts), logprobs=tuple(self._logprobs))


class GrowingReasoning:
    def __init__(self, id_: str, index: int) -> None:
        self._id = id_
        self._place = {"item_id": id_, "output_index": index, "content_index": 0}
        self._texts: list[str] = []

    def item(self, status: Status) -> ReasoningItem:
        content = () if status == "in_progress" else (self._part(),)
        return ReasoningItem(self._id, content=content, status=status)

    def begin(self) -> list[Json]:
        return [{"type": "response.content_part.added", **self._place, "part": ReasoningText("")}]

    def add(self, text: str) -> Json:
        self._texts.append(text)
        return {"type": "response.reasoning_text.delta", **self._place, "delta": text}

    def end(self) -> list[Json]:
        part = self._part()
        return [
            {"type": "response.reasoning_text.done", **self._place, "text": part.text},
            {"type": "response.content_part.done", **self._place, "part": part},
        ]

    def _part(self) -> ReasoningText:
        return ReasoningText("".join(self._texts))


class GrowingCall:
    def __init__(self, id_: str, index: int, call_id: str, name: str) -> None:
        self._id = id_
        self._call_id = call_id
        self._name = name
        self._place = {"item_id": id_, "output_index": index}
        self._pieces: list[str] = []

    def item(self, status: Status) -> CallItem:
        return CallItem(self._id, self._call_id, self._name, "".join(self._pieces), status)

    def begin(self) -> list[Json]:
        return []

    def add(self, arguments: str) -> Json:
        self._pieces.append(arguments)
        type_ = "response.function_call_arguments.delta"
        return {"type": type_, **self._place, "delta": arguments}

    def end(self) -> list[Json]:
        whole = {"name": self._name, "arguments": "".join(self._pieces)}
        return [{"type": "response.function_call_arguments.done", **self._place, **whole}]


class Output:
    """Puts one answer together. `new_id` makes an item's id from a prefix."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._done: list[Item] = []
        self._open: Growing | None = None
        self._waiting: list[TokenLogprob] = []  # of tokens whose text is still held back

    def items(self) -> list[Item]:
        """What there is so far; an item that still grows is incomplete."""
        return [*self._done, self._open.item("incomplete")] if self._open else self._done

    def add(self, event: Event) -> Iterator[Json]:
        """The stream's events, as far as they are about items."""
        match event:
            case Started():
                pass
            case TextDelta(text, logprobs):
                self._waiting.extend(logprobs)
                if text:
                    yield from self._add_text(text)
            case ReasoningDelta(text):
                self._waiting.clear()  # those were of the reasoning
                yield from self._add_reasoning(text)
            case ToolCallDelta():
                self._waiting.clear()  # those were of the call
                yield from self._add_call(event)
            case Finished():
                yield from self._finish(event)
            case _:
                assert_never(event)

    def _add_text(self, text: str) -> Iterator[Json]:
        logprobs = [to_chat_logprob(item) for item in self._waiting]
        self._waiting.clear()
        message = self._open
        if not isinstance(message, GrowingMessage):
            message = GrowingMessage(self._new_id("msg"), self._next_index())
            yield from self._begin(message)
        yield message.add(text, logprobs)

    def _add_reasoning(self, text: str) -> Iterator[Json]:
        reasoning = self._open
        if not isinstance(reasoning, GrowingReasoning):
            reasoning = GrowingReasoning(self._new_id("rs"), self._next_index())
            yield from self._begin(reasoning)
        yield reasoning.add(text)

    def _add_call(self, delta: ToolCallDelta) -> Iterator[Json]:
        """Calls come one after the other; a call's first piece has its id and its name."""
        call = self._open
        if delta.id is not None or not isinstance(call, GrowingCall):
            id_, index = self._new_id("fc"), self._next_index()
            call = GrowingCall(id_, index, delta.id or self._new_id("call"), delta.name or "")
            yield from self._begin(call)
        if delta.arguments:
            yield call.add(delta.arguments)

    def _finish(self, finished: Finished) -> Iterator[Json]:
        """An answer without a word is a message too: agents look for one."""
        has_answer = any(not isinstance(item, ReasoningItem) for item in self.items())
        if not has_answer and finished.reason != "length":
            yield from self._begin(GrowingMessage(self._new_id("msg"), self._next_index()))
        yield from self._end("incomplete" if finished.reason == "length" else "completed")

    def _next_index(self) -> int:
        return len(self._done) + (self._open is not None)

    def _begin(self, growing: Growing) -> Iterator[Json]:
        yield from self._end("completed")
        self._open = growing
        yield self._about_item("added", growing.item("in_progress"))
        yield from growing.begin()

    def _end(self, status: Status) -> Iterator[Json]:
        if self._open is None:
            return
        yield from self._open.end()
        item = self._open.item(status)
        yield self._about_item("done", item)
        self._done.append(item)
        self._open = None

    def _about_item(self, what: str, item: Item) -> Json:
        type_ = f"response.output_item.{what}"
        return {"type": type_, "output_index": len(self._done), "item": item}
