"""Qwen3-Coder and Qwen 3.5: a call's arguments are tags, and their values are bare text.

<tool_call>
<function=get_weather>
<parameter=city>
Paris
</parameter>
</function>
</tool_call>

The tool's schema says which values are text; the others are read as JSON. Models of this family
also write Hermes' JSON inside of the outer tag, and leave the outer tag out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from edgellm.chat.calls import Calls
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.literals import BadText, Reader
from edgellm.chat.markup import Body, MakeBody, MarkedParser, Thinking
from edgellm.chat.whole_calls import Fork, WholeCalls
from edgellm.types import Tool

OPEN, CLOSE = "<tool_call>", "</tool_call>"
FUNCTION = "<function="

_END = re.compile(r"</tool_call>")
_BARE_END = re.compile(r"(?<=</function>)|</tool_call>")
_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>(.*?)(?:</function>|$)\s*", re.DOTALL)
_PARAMETER = re.compile(
    r"\s*<parameter=([^>\n]+)>\n?(.*?)(?:\n?</parameter>|\n?(?=<parameter=)|\n?$)", re.DOTALL
)


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    gaps = [CLOSE] if tools else []
    return MarkedParser(calls, markers(calls), thinking=Thinking(), gaps=gaps, prompt=prompt)


def markers(calls: Calls) -> dict[str, MakeBody]:
    """What begins a call; empty without tools."""
    if not calls.names:
        return {}

    def tagged(raw: str) -> Body:
        return WholeCalls(calls, raw, _END, lambda body: read(body, calls), end="</function>")

    def bare(raw: str) -> Body:
        return WholeCalls(
            calls, raw, _BARE_END, lambda body: read(FUNCTION + body, calls), end=None
        )

    def as_json(raw: str) -> Body:
        return JsonCalls(calls, raw, close=CLOSE)

    ways = {"{": as_json, "[": as_json, FUNCTION: tagged}
    return {OPEN: lambda raw: Fork(raw, ways), FUNCTION: bare}


def read(body: str, calls: Calls) -> list[tuple[str, dict[str, Any]]] | None:
    """The functions in a body; None if there is anything else in it."""
    found, position = [], 0
    while function := _FUNCTION.match(body, position):
        arguments = _arguments(function[2], calls.parameters(function[1].strip()))
        if arguments is None:
            return None
        found.append((function[1].strip(), arguments))
        position = function.end()
    return found if found and not body[position:].strip() else None


def _arguments(text: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
    arguments, position = {}, 0
    while parameter := _PARAMETER.match(text, position):
        name = parameter[1].strip()
        arguments[name] = typed(parameter[2], parameters.get(name))
        position = parameter.end()
    return None if text[position:].strip() else arguments


def typed(text: str, schema: Any) -> Any:
    """A value of the type that its schema names; text, where it is none of these."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    kinds = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
    if "string" in kinds and not (text.strip() == "null" and "null" in kinds):
        return text
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass
    reader = Reader(text + "\n")
    try:
        value = reader.value()
    except BadText:
        return text
    return text if reader.text[reader.position :].strip() else value


def _refuse(constant: str) -> None:
    raise ValueError(constant)
