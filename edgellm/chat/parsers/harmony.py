"""gpt-oss: messages in channels ("harmony").

<|channel|>analysis<|message|>...<|end|>
<|start|>assistant<|channel|>commentary to=functions.now <|constrain|>json<|message|>{...}<|call|>
<|start|>assistant<|channel|>final<|message|>...<|return|>

The analysis channel is reasoning; a commentary message is a call where it has a recipient, and else
text, as the final channel is. Engines end at `<|call|>` and `<|return|>`, so these may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from edgellm.chat.calls import Calls, ContentEvent
from edgellm.chat.headed_calls import HeadedCall
from edgellm.chat.markup import merged, overlap
from edgellm.types import ReasoningDelta, TextDelta, Tool

START, CHANNEL, CONSTRAIN, MESSAGE = "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"
ENDS = ("<|end|>", "<|call|>", "<|return|>")
MARKERS = (START, CHANNEL, CONSTRAIN, MESSAGE, *ENDS)
LONGEST_HEADER = 400

_HEADER = re.compile(r"\s*(?:to=[\w.\-]*\s*)?((?:<\|(?:start|channel|constrain)\|>[\w.\-=: ]*)*)")
_RECIPIENT = re.compile(r"to=([\w.\-]+)")
_HEAD = re.compile(r"()\s*")

_Kind: TypeAlias = Literal["header", "text", "reasoning", "call", "behind"]


def make(tools: Sequence[Tool] = (), prompt: str = "") -> HarmonyParser:
    return HarmonyParser(tools, prompt)


class HarmonyParser:
    """Walks from header to message to header."""

    shown_tokens = MARKERS

    def __init__(self, tools: Sequence[Tool] = (), prompt: str = "") -> None:
        self._calls = Calls(tools)
        self._held = ""
        self._kind: _Kind = "header"
        self._call: HeadedCall | None = None
        header, is_begun, _ = prompt.rpartition(START)[2].partition(MESSAGE)
        if START in prompt and is_begun:
            self._begin(header)

    @property
    def num_tool_calls(self) -> int:
        return self._calls.num

    @property
    def is_thinking(self) -> bool | None:
        return None if self._kind == "header" else self._kind == "reasoning"

    def push(self, text: str) -> list[ContentEvent]:
        self._held += text
        events: list[ContentEvent] = []
        while self._held and (more := self._step()) is not None:
            events += more
        return merged(events)

    def finish(self) -> list[ContentEvent]:
        """A header without a message holds nothing of the answer."""
        held, self._held = self._held, ""
        if self._call is not None:
            call, self._call = self._call, None
            self._kind = "behind"
            return call.finish()
        if self._kind == "header" and not any(map(held.startswith, MARKERS)):
            self._kind = "text"
        return self._told(held)

    def drop_held(self) -> None:
        """But for a header, which is no text."""
        if self._kind != "header":
            self._held = ""

    def _step(self) -> list[ContentEvent] | None:
        """Take something off what is held; None if more is needed."""
        if self._kind == "header":
            return self._read_header()
        if self._call is not None:
            return self._read_call(self._call)
        position, marker = min(
            ((at, mark) for mark in MARKERS if (at := self._held.find(mark)) >= 0),
            default=(len(self._held) - max(overlap(self._held, mark) for mark in MARKERS), ""),
        )
        text, self._held = self._held[:position], self._held[position:]
        if marker:
            self._held = self._held[len(marker) if marker not in (START, CHANNEL) else 0 :]
        events = self._told(text)
        if marker:
            self._kind = "header"
        return events if text or marker else None

    def _told(self, text: str) -> list[ContentEvent]:
        if self._kind == "behind" and text.strip():
            self._kind = "text"
        match self._kind:
            case "reasoning" if text:
                return [ReasoningDelta(text)]
            case "text" if text:
                return [TextDelta(text)]
            case _:
                return []

    def _read_header(self) -> list[ContentEvent] | None:
        found = _HEADER.match(self._held)
        size = found.end() if found else 0
        has_marks = found is not None and bool(found[1])
        header, rest = self._held[:size], self._held[size:]
        if rest.startswith(MESSAGE) and size <= LONGEST_HEADER:
            self._held = rest.removeprefix(MESSAGE)
            self._begin(header)
            return []
        if self._may_go_on(rest, has_marks=has_marks) and size <= LONGEST_HEADER:
            return None
        self._kind = "text"  # a model that does without channels, or breaks off a header
        size = min(size, LONGEST_HEADER) if has_marks else 0
        told, self._held = self._held[:size], self._held[size:]
        return self._told(told)

    def _may_go_on(self, rest: str, *, has_marks: bool) -> bool:
        """Whether what is behind a header's beginning may become more of it."""
        marks = MARKERS if has_marks else (*MARKERS, "to=")
        return not rest or any(mark.startswith(rest) for mark in marks)

    def _begin(self, header: str) -> None:
        recipient = _RECIPIENT.search(header)
        name = recipient[1].removeprefix("functions.") if recipient else ""
        is_call = recipient is not None and (
            recipient[1].startswith("functions.") or name in self._calls.names
        )
        if is_call and self._calls.names:
            self._call = HeadedCall(self._calls, header + MESSAGE, _HEAD, name=name)
            self._kind = "call"
        else:
            self._kind = "reasoning" if CHANNEL + "analysis" in header else "text"

    def _read_call(self, call: HeadedCall) -> list[ContentEvent]:
        events = call.push(self._held)
        self._held = call.rest or ""
        if call.rest is not None:
            self._call = None
            self._kind = "text" if call.is_broken else "behind"
        return events
