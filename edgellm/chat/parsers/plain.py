"""Models whose text is the answer."""

from __future__ import annotations

from edgellm.chat.parsers.base import ContentEvent
from edgellm.types import TextDelta


class PlainParser:
    """Text in, the same text out."""

    num_tool_calls = 0
    is_thinking = False
    shown_tokens = ()

    def push(self, text: str) -> list[ContentEvent]:
        return [TextDelta(text)] if text else []

    def finish(self) -> list[ContentEvent]:
        return []

    def drop_held(self) -> None:
        """Nothing ever is."""
