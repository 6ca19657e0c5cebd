"""Phi-4-mini: a JSON list of calls behind `<|tool_call|>`, or behind `functools`.

<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}]<|/tool_call|>
functools[{"name": "get_weather", "arguments": {"city": "Paris"}}]
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.markup import Body, MakeBody, MarkedParser
from edgellm.chat.parsers import hermes
from edgellm.types import Tool

TAGS = (("<|tool_call|>", "<|/tool_call|>"), ("<|tool_calls|>", "<|/tool_calls|>"))
FUNCTOOLS = "functools["


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    if not tools:
        return MarkedParser(calls, {}, prompt=prompt)

    def listed(raw: str) -> Body:
        body = JsonCalls(calls, raw[:-1])
        body.push(raw[-1:])
        return body

    markers: dict[str, MakeBody] = hermes.markers(calls)
    for opening, close in TAGS:
        markers[opening] = lambda raw, close=close: JsonCalls(  # type: ignore[misc]
            calls, raw, close=close
        )
    shown = [close for _, close in TAGS]
    return MarkedParser(calls, markers, first={FUNCTOOLS: listed}, shown=shown, prompt=prompt)
