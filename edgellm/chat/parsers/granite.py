"""Granite 3 and 4: a JSON list behind `<|tool_call|>` (3), or Hermes' tags (4).

<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}]

Granite 3.3 can think: `<think>...</think><response>...</response>`.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.markup import MakeBody, MarkedParser, Thinking
from edgellm.chat.parsers import hermes
from edgellm.types import Tool

OPEN = "<|tool_call|>"
RESPONSE = ("<response>", "</response>")


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    markers: dict[str, MakeBody] = hermes.markers(calls)
    if tools:
        markers[OPEN] = lambda raw: JsonCalls(calls, raw)
    return MarkedParser(calls, markers, thinking=Thinking(), gaps=RESPONSE, prompt=prompt)
