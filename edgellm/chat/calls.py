"""The calls of one answer: their numbers, their ids, and what is known of the tools.

Knows no format.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from edgellm.types import ReasoningDelta, TextDelta, Tool, ToolCallDelta

ContentEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta


def long_id() -> str:
    """An id as OpenAI's look."""
    return f"call_{secrets.token_hex(12)}"


class Calls:
    """Counts the calls of one answer."""

    def __init__(self, tools: Sequence[Tool] = (), make_id: Callable[[], str] = long_id) -> None:
        self.num = 0
        self._tools = {tool.name: tool for tool in tools}
        self._make_id = make_id

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tools that the request gave; empty = they are not known."""
        return tuple(self._tools)

    def start(self, name: str, arguments: str = "") -> ToolCallDelta:
        """The next call begins; `arguments` is its JSON text as far as it is there."""
        index, self.num = self.num, self.num + 1
        return ToolCallDelta(index, arguments, id=self._make_id(), name=name)

    def whole(self, name: str, arguments: dict[str, Any]) -> ToolCallDelta:
        """A call that is complete."""
        return self.start(name, json.dumps(arguments, ensure_ascii=False))

    def more(self, arguments: str) -> ToolCallDelta:
        """The newest call's arguments go on."""
        return ToolCallDelta(self.num - 1, arguments)

    def parameters(self, name: str) -> dict[str, Any]:
        """The properties of a tool's JSON Schema, in order; empty if there is none."""
        tool = self._tools.get(name)
        properties = tool.parameters.get("properties") if tool else None
        return properties if isinstance(properties, dict) else {}
