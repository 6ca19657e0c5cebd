"""Gemma 4: calls in a notation of its own, with `<|"|>` as quotes; reasoning in a channel.

<|channel>thought
...<channel|><|tool_call>call:get_weather{city:<|"|>Paris<|"|>,days:3}<tool_call|>
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from edgellm.chat.calls import Calls
from edgellm.chat.literals import BadText, Reader
from edgellm.chat.markup import Body, MakeBody, MarkedParser, Thinking
from edgellm.chat.whole_calls import WholeCalls
from edgellm.types import Tool

OPEN, CLOSE, QUOTE = "<|tool_call>", "<tool_call|>", '<|"|>'

_END = re.compile(re.escape(CLOSE))
_CALL = re.compile(r"\s*(?:call:)?\s*([\w.\-]+)\s*\{")
_THINKING = Thinking("<|channel>thought", "<channel|>", is_anywhere=True)


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)

    def body(raw: str) -> Body:
        return WholeCalls(calls, raw, _END, read)

    markers: dict[str, MakeBody] = {OPEN: body} if tools else {}
    shown = [CLOSE, QUOTE, "<|channel>"]
    return MarkedParser(calls, markers, thinking=_THINKING, shown=shown, prompt=prompt)


def read(text: str) -> list[tuple[str, dict[str, Any]]] | None:
    """Names and arguments of the calls in a text; None if it holds anything else."""
    found, position = [], 0
    while call := _CALL.match(text, position):
        reader = Reader(text, (QUOTE, '"'), has_bare=True)
        reader.position = call.end()
        try:
            found.append((call[1], reader.mapping()))
        except BadText:
            return None
        position = reader.position
    return found if found and not text[position:].strip() else None
