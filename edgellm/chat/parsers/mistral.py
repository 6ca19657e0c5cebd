"""Mistral and Ministral: `[TOOL_CALLS]`, in the forms of its tokenizers; `[THINK]` reasoning.

[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Paris"}, "id": "a1B2c3D4e"}]   (to v7)
[TOOL_CALLS]get_weather[CALL_ID]a1B2c3D4e[ARGS]{"city": "Paris"}                            (v11)
[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]now[ARGS]{}                       (v13)

Ids are ours: the templates want nine letters and digits, and a model may repeat its own.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.headed_calls import HeadedCall
from edgellm.chat.json_calls import JsonCalls
from edgellm.chat.markup import Body, MakeBody, MarkedParser, Thinking
from edgellm.chat.whole_calls import Fork
from edgellm.types import Tool

OPEN = "[TOOL_CALLS]"
ID_SIZE = 9

_HEAD = re.compile(r"\s*([\w.\-]+)\s*(?:\[CALL_ID\]\s*\w*)?\s*(?:\[ARGS\])?\s*")
_THINKING = Thinking("[THINK]", "[/THINK]", is_anywhere=True)


def short_id() -> str:
    """An id as Mistral's templates want it."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(ID_SIZE))


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools, short_id)

    def as_json(raw: str) -> Body:
        return JsonCalls(calls, raw)

    def headed(raw: str) -> Body:
        return HeadedCall(calls, raw, _HEAD)

    markers: dict[str, MakeBody] = {}
    if tools:
        markers[OPEN] = lambda raw: Fork(raw, {"[{": as_json, "{": as_json}, headed)
    shown = ["[CALL_ID]", "[ARGS]"]
    return MarkedParser(calls, markers, thinking=_THINKING, shown=shown, prompt=prompt)
