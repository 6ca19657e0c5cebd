"""Llama 3.1 to 4: a JSON object or a Python list as the whole answer, with a tag or without.

{"name": "get_weather", "parameters": {"city": "Paris"}}
<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}
<|python_tag|>brave_search.call(query="Paris")
[get_weather(city="Paris"), now()]                               (3.2 and 4)
<|python_start|>[get_weather(city="Paris")]<|python_end|>        (4)
<function=get_weather>{"city": "Paris"}</function>               (3.1, as its manual has it)

Older templates show no tools; the prompt that we give instead asks for Hermes' tags. Without a
tag, only what names one of the request's tools is a call; other JSON is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.headed_calls import HeadedCall
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.markup import Body, MakeBody, MarkedParser
from edgellm.chat.parsers import hermes
from edgellm.chat.pythonic_calls import PythonicCalls, read_pythonic
from edgellm.chat.whole_calls import Fork, WholeCalls
from edgellm.types import Tool

TAG, START, END, FUNCTION = "<|python_tag|>", "<|python_start|>", "<|python_end|>", "<function="

_NEVER = re.compile(r"(?!)")  # the answer's end closes it
_END = re.compile(re.escape(END))
_HEAD = re.compile(r"([\w.\-]+)>\s*")
_BUILT_IN = re.compile(r"^(\w+)\.call\(")


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    if not tools:
        return MarkedParser(calls, {}, prompt=prompt)
    markers: dict[str, MakeBody] = hermes.markers(calls) | {
        TAG: lambda raw: _tagged(calls, raw, _NEVER, ""),
        START: lambda raw: _tagged(calls, raw, _END, END),
        FUNCTION: lambda raw: HeadedCall(calls, raw, _HEAD, "</function>"),
    }
    return MarkedParser(calls, markers, first=bare(calls), shown=[END, hermes.CLOSE], prompt=prompt)


def bare(calls: Calls) -> dict[str, MakeBody]:
    """Calls that no marker announces."""

    def as_json(raw: str) -> Body:
        return _fed(JsonCalls(calls, raw[:-1], is_bare=True), raw[-1:])

    return {"{": as_json, "[": lambda raw: PythonicCalls(calls, raw)}


def _tagged(calls: Calls, raw: str, end: re.Pattern[str], close: str) -> Body:
    def as_json(raw: str) -> Body:
        return JsonCalls(calls, raw, close=close)

    def as_python(raw: str) -> Body:
        return WholeCalls(calls, raw, end, lambda body: read_pythonic(_plain(body), calls))

    return Fork(raw, {"{": as_json, "[{": as_json}, as_python)


def _plain(body: str) -> str:
    """Built-in tools are written as a method of themselves."""
    return _BUILT_IN.sub(r"\1(", body.strip())


def _fed(body: JsonCalls, text: str) -> JsonCalls:
    """A body that has its first bracket, which tells nothing yet."""
    body.push(text)
    return body
