"""Gemma 3, which has no format of its own: what its makers' prompts and ours ask it for.

[get_weather(city="Paris")]
```tool_code
get_weather(city="Paris")
```
{"name": "get_weather", "parameters": {"city": "Paris"}}         (also in a ```json block)
<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.markup import Body, MakeBody, MarkedParser
from edgellm.chat.parsers import hermes, llama3
from edgellm.chat.pythonic_calls import read_pythonic
from edgellm.chat.whole_calls import Fork, WholeCalls
from edgellm.types import Tool

FENCE = "```"

_END = re.compile(FENCE)
_PRINT = re.compile(r"^print\((.*)\)$", re.DOTALL)


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    if not tools:
        return MarkedParser(calls, {}, prompt=prompt)

    def as_json(raw: str) -> Body:
        return JsonCalls(calls, raw, close=FENCE, is_bare=True)

    def as_python(raw: str) -> Body:
        return WholeCalls(calls, raw, _END, lambda body: read_pythonic(_plain(body), calls))

    blocks: dict[str, MakeBody] = {
        FENCE + "tool_code\n": as_python,
        FENCE + "tool_call\n": lambda raw: Fork(raw, {"{": as_json, "[{": as_json}, as_python),
    }
    first = llama3.bare(calls) | {FENCE + "json\n": as_json}
    return MarkedParser(calls, hermes.markers(calls) | blocks, first=first, prompt=prompt)


def _plain(body: str) -> str:
    """Calls without the `print()` that some put around them."""
    return _PRINT.sub(r"\1", body.strip())
