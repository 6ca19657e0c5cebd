"""MiniCPM 5: XML functions and parameters by name, and reasoning in `<think>` tags.

<function name="get_weather"><param name="city">Paris</param></function>
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from edgellm.chat.calls import Calls
from edgellm.chat.markup import Body, MakeBody, MarkedParser, Thinking
from edgellm.chat.parsers.qwen3_coder import typed
from edgellm.chat.whole_calls import WholeCalls
from edgellm.types import Tool

OPEN = '<function name="'

_END = re.compile(r"</function>")
_NAME = re.compile(r'([^"\n]+)"\s*>')
_PARAMETER = re.compile(
    r'\s*<param name="([^"\n]+)"\s*>(?:\s*<!\[CDATA\[(.*?)\]\]>\s*|(.*?))</param>\s*', re.DOTALL
)


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)

    def body(raw: str) -> Body:
        return WholeCalls(calls, raw, _END, lambda text: read(text, calls), end=None)

    markers: dict[str, MakeBody] = {OPEN: body} if tools else {}
    return MarkedParser(calls, markers, thinking=Thinking(), shown=["</function>"], prompt=prompt)


def read(text: str, calls: Calls) -> list[tuple[str, dict[str, Any]]] | None:
    """The call in a text that begins with its name; None if it is none."""
    name = _NAME.match(text)
    if name is None:
        return None
    schemas, arguments, position = calls.parameters(name[1]), {}, name.end()
    while parameter := _PARAMETER.match(text, position):
        value = parameter[3] if parameter[2] is None else parameter[2]
        arguments[parameter[1]] = typed(value, schemas.get(parameter[1]))
        position = parameter.end()
    return None if text[position:].strip() else [(name[1], arguments)]
