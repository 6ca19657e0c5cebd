"""Any format, where the answer goes on behind a text that the client has sent."""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.chat.parsers.base import ContentEvent, OutputParser
from edgellm.types import ToolCallDelta


def end_before(prompt: Sequence[str | int], told: str) -> str:
    """The text of a prompt that stands before the text `told`, with which it ends."""
    text = "".join(piece for piece in prompt if isinstance(piece, str))
    return text.removesuffix(told)


class ResumedParser:
    """A parser that has read the beginning of the answer, which the client knows already.

    Only a call that begins there is told again: the client needs all of it.
    """

    def __init__(self, parser: OutputParser, told: str) -> None:
        self._parser = parser
        self._calls = [each for each in parser.push(told) if isinstance(each, ToolCallDelta)]
        parser.drop_held()

    @property
    def num_tool_calls(self) -> int:
        return self._parser.num_tool_calls

    @property
    def shown_tokens(self) -> tuple[str, ...]:
        return self._parser.shown_tokens

    @property
    def is_thinking(self) -> bool | None:
        return self._parser.is_thinking

    def push(self, text: str) -> list[ContentEvent]:
        return [*self._take_calls(), *self._parser.push(text)]

    def finish(self) -> list[ContentEvent]:
        return [*self._take_calls(), *self._parser.finish()]

    def drop_held(self) -> None:
        self._parser.drop_held()

    def _take_calls(self) -> list[ToolCallDelta]:
        calls, self._calls = self._calls, []
        return calls
