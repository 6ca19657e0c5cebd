"""What an output parser is."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from edgellm.types import ReasoningDelta, TextDelta, ToolCallDelta

ContentEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta


class OutputParser(Protocol):
    """Streams one answer. Never raises and never loses text: a broken call comes back as text."""

    num_tool_calls: int

    def push(self, text: str) -> list[ContentEvent]:
        """More of the model's text; gives what is certain now."""

    def finish(self) -> list[ContentEvent]:
        """The text ends here; gives all that was held back."""
