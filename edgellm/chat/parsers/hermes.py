"""Tool calls as Hermes and Qwen 2.5 write them: JSON objects inside `<tool_call>` tags.

<tool_call>
{"name": "get_weather", "arguments": {"city": "Paris"}}
</tool_call>
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.markup import MakeBody, MarkedParser
from edgellm.types import Tool

OPEN, CLOSE = "<tool_call>", "</tool_call>"


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    return MarkedParser(calls, markers(calls), shown=[CLOSE], prompt=prompt)


def markers(calls: Calls) -> dict[str, MakeBody]:
    """What begins a call; empty without tools."""
    return {OPEN: lambda raw: JsonCalls(calls, raw, close=CLOSE)} if calls.names else {}
