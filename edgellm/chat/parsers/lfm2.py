"""LFM2: calls as Python writes them between two markers, or as JSON where the prompt asks for it.

<|tool_call_start|>[get_weather(city="Paris")]<|tool_call_end|>
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.markup import Body, MakeBody, MarkedParser, Thinking
from edgellm.chat.pythonic_calls import read_pythonic
from edgellm.chat.whole_calls import Fork, WholeCalls
from edgellm.types import Tool

OPEN, CLOSE = "<|tool_call_start|>", "<|tool_call_end|>"

_END = re.compile(re.escape(CLOSE))


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)

    def as_json(raw: str) -> Body:
        return JsonCalls(calls, raw, close=CLOSE)

    def as_python(raw: str) -> Body:
        return WholeCalls(calls, raw, _END, lambda body: read_pythonic(body, calls))

    markers: dict[str, MakeBody] = {}
    if tools:
        markers[OPEN] = lambda raw: Fork(raw, {"[{": as_json, "{": as_json}, as_python)
    return MarkedParser(calls, markers, thinking=Thinking(), shown=[CLOSE], prompt=prompt)
