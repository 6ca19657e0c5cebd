"""Calls of tools: their ids, and their arguments, which are JSON text with us and a parsed object
with Anthropic. Pure.

A model may write, or `max_tokens` may leave, what is no JSON object. That text then stands alone
under the key `UNPARSED`, so nothing is lost. What a client sends back becomes exactly what the
model has written, ids too: the next prompt begins like the one before, and is not computed again.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

UNPARSED = "unparsed_arguments"


_CALL, _TOOLU, _OTHER = "call_", "toolu_", "toolu_id_"


def to_toolu(id_: str) -> str:
    """An id as Anthropic's look."""
    return _TOOLU + id_.removeprefix(_CALL) if id_.startswith(_CALL) else _OTHER + id_


def from_toolu(id_: str) -> str:
    """The id that `to_toolu` was given; one that never was stays in its own way unique."""
    if id_.startswith(_OTHER):
        return id_.removeprefix(_OTHER)
    return _CALL + id_.removeprefix(_TOOLU) if id_.startswith(_TOOLU) else id_


def to_input(arguments: str) -> dict[str, Any]:
    """The object that the text is."""
    try:
        value = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {UNPARSED: arguments}


def to_arguments(value: dict[str, Any]) -> str:
    """The text of an object. Raises ValueError for a number that JSON does not have."""
    match value:
        case {"unparsed_arguments": str(text)} if len(value) == 1:
            return text
        case _:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)


class InputStream:
    """One call's arguments piece by piece. What does not begin as an object is held back to the
    end, for clients parse the pieces as they come; parsers let only valid JSON through."""

    def __init__(self) -> None:
        self._held = ""
        self._is_object = False

    def push(self, arguments: str) -> str:
        """A piece; gives what may be sent now."""
        if self._is_object:
            return arguments
        self._held += arguments
        self._is_object = self._held.lstrip().startswith("{")
        return self._take() if self._is_object else ""

    def finish(self) -> str:
        """The call ends; gives what is left of its object."""
        if self._is_object:
            return ""
        text = self._take()
        return json.dumps({UNPARSED: text}, ensure_ascii=False) if text.strip() else "{}"

    def _take(self) -> str:
        text, self._held = self._held, ""
        return text
