"""Tool calls as Hermes and Qwen 2.5/3 write them: JSON objects inside `<tool_call>` tags.

<tool_call>
{"name": "get_weather", "arguments": {"city": "Paris"}}
</tool_call>
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from edgellm.chat.parsers.base import ContentEvent
from edgellm.types import TextDelta, ToolCallDelta

OPEN, CLOSE = "<tool_call>", "</tool_call>"


class HermesParser:
    """Text goes through as it comes; a call comes out whole, when its tag is closed."""

    def __init__(self) -> None:
        self.num_tool_calls = 0
        self._held = ""
        self._is_inside = False  # behind an opening tag; `_held` begins with it

    def push(self, text: str) -> list[ContentEvent]:
        self._held += text
        events: list[ContentEvent] = []
        while (event := self._next()) is not None:
            events.append(event)
        return [event for event in events if event != TextDelta("")]

    def finish(self) -> list[ContentEvent]:
        """A call whose closing tag is missing counts if it is whole."""
        held, self._held = self._held, ""
        if not held or (not self._is_inside and not held.strip() and self.num_tool_calls):
            return []
        return [self._call(held) if self._is_inside else TextDelta(held)]

    def _next(self) -> ContentEvent | None:
        """Take one event off what is held; None if more text is needed."""
        if self._is_inside:
            end = self._held.find(CLOSE)
            if end < 0:
                return None
            call, self._held = self._held[: end + len(CLOSE)], self._held[end + len(CLOSE) :]
            self._is_inside = False
            return self._call(call)
        begin = self._held.find(OPEN)
        if begin >= 0:
            text, self._held = self._held[:begin], self._held[begin:]
            self._is_inside = True
            return TextDelta("" if self._is_gap(text) else text)
        return self._take_text()

    def _take_text(self) -> ContentEvent | None:
        """All but a possible beginning of a tag, and the white space before one."""
        size = len(self._held) - _num_doubtful(self._held)
        text, rest = self._held[:size], self._held[size:]
        if self._is_gap(text) or not text:
            return None
        self._held = rest
        return TextDelta(text)

    def _is_gap(self, text: str) -> bool:
        """White space around calls belongs to the format, not to the answer."""
        return not text.strip()

    def _call(self, raw: str) -> ContentEvent:
        """The call in `<tool_call>...`, or the text itself if it is none."""
        call = _parse(raw.removeprefix(OPEN).removesuffix(CLOSE))
        if call is None:
            return TextDelta(raw)
        index, self.num_tool_calls = self.num_tool_calls, self.num_tool_calls + 1
        name, arguments = call
        return ToolCallDelta(index, arguments, id=f"call_{secrets.token_hex(12)}", name=name)


def _num_doubtful(text: str) -> int:
    """The length of the end of `text` that may belong to an opening tag, with the space before."""
    for length in range(min(len(OPEN) - 1, len(text)), 0, -1):
        if text.endswith(OPEN[:length]):
            return len(text) - len(text[:-length].rstrip())
    return len(text) - len(text.rstrip())


def _parse(body: str) -> tuple[str, str] | None:
    """Name and arguments (JSON text) of a call; None if it is not one."""
    try:
        call: Any = json.loads(body)
    except ValueError:
        return None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return None
    arguments = call.get("arguments", call.get("parameters", {}))
    if isinstance(arguments, str):
        return call["name"], arguments
    return call["name"], json.dumps(arguments, ensure_ascii=False)
