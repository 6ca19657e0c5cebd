"""Calls as JSON objects, alone or in a list: `{"name": ..., "arguments": {...}}`.

The arguments go through while they are written, once the name is known. Knows no markers but the
one that it is told to end at.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, TypeAlias

from edgellm.chat.calls import Calls, ContentEvent
from edgellm.chat.json_stream import JsonStream
from edgellm.types import TextDelta

ARGUMENTS = ("arguments", "parameters")
KNOWN_KEYS = (*ARGUMENTS, "name", "type", "id", "function")

_KEY = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*:', re.DOTALL)
_KEY_BEGUN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)(?:\\|"\s*)?)?', re.DOTALL)
_NEXT = re.compile(r"[\s,;]*(?=\{)")

_State: TypeAlias = Literal["start", "first_key", "key", "value", "behind_value", "behind_call"]


class JsonCalls:
    """One marker's calls. A call's `rest` begins where the JSON stops being one."""

    def __init__(self, calls: Calls, raw: str, *, close: str = "", is_bare: bool = False) -> None:
        """Make a body.

        Args:
            raw: the text before the body, which may end with a part of the JSON itself.
            close: the marker behind the calls; empty = there is none.
            is_bare: no marker announced a call, so only what can be nothing else is one.
        """
        self.rest: str | None = None
        self.is_broken = False
        self._calls, self._close, self._is_bare = calls, close, is_bare
        self._held = ""
        self._raw = raw  # since the last call; comes back if no call follows
        self._state: _State = "start"
        self._is_list = False
        self._num_read = 0
        self._behind = re.compile(rf"[\s,;}}\]]*{re.escape(close)}") if close else None
        self._reset()

    def _reset(self) -> None:
        self._key = ""
        self._value = JsonStream()
        self._text = ""  # of the value so far
        self._name: str | None = None
        self._arguments: str | None = None  # complete, or told while they are written
        self._is_told = False

    def push(self, text: str) -> list[ContentEvent]:
        self._held += text
        self._raw += text
        events: list[ContentEvent] = []
        while self.rest is None and (more := self._step()) is not None:
            events += more
        return events

    def finish(self) -> list[ContentEvent]:
        """A call that is whole counts though its closing marker is missing."""
        if self._is_told:
            is_inside = self._state == "value" and self._key in ARGUMENTS
            held = self._value.finish() if is_inside else ""
            return [self._calls.more(held)] if held else []
        return [] if self._state == "behind_call" or not self._raw else [TextDelta(self._raw)]

    def _step(self) -> list[ContentEvent] | None:
        match self._state:
            case "start":
                return self._start()
            case "first_key" | "key":
                return self._read_key()
            case "value":
                return self._read_value()
            case "behind_value":
                return self._behind_value()
            case _:
                return self._behind_call()

    def _start(self) -> list[ContentEvent] | None:
        self._held = self._held.lstrip()
        match self._held[:1]:
            case "":
                return None
            case "[" if not self._is_list and self._num_read == 0:
                self._is_list = True
                self._held = self._held[1:]
                return []
            case "{":
                self._state, self._held = "first_key", self._held[1:]
                return []
            case _:
                return self._break(self._held)

    def _read_key(self) -> list[ContentEvent] | None:
        key = _KEY.match(self._held)
        if key is not None:
            if self._is_bare and key[1] not in KNOWN_KEYS:
                return self._break(self._held)
            self._held = self._held[key.end() :]
            self._key, self._value, self._text = key[1], JsonStream(), ""
            self._state = "value"
            return []
        begun = _KEY_BEGUN.fullmatch(self._held)
        if begun is not None and (not self._is_bare or _may_be_known(begun[1] or "")):
            return None
        if self._held.lstrip().startswith("}"):
            return self._end_object()
        return self._break(self._held)

    def _read_value(self) -> list[ContentEvent] | None:
        if not self._held:
            return None
        text, self._held = self._value.push(self._held), ""
        self._text += text
        events = self._tell(text)
        if self._value.is_broken:
            return [*events, *self._break(self._value.rest)]
        if not self._value.is_done:
            return events or None
        self._held, self._state = self._value.rest, "behind_value"
        return events if self._keep() else self._break(self._held)

    def _tell(self, text: str) -> list[ContentEvent]:
        """The arguments, if they can be told already."""
        if self._key not in ARGUMENTS or self._name is None or self._arguments is not None:
            return []
        if self._is_told:
            return [self._calls.more(text)] if text else []
        begun = self._text.strip()
        if not begun.startswith("{") or begun == "{":
            return []
        self._is_told, self._raw = True, ""
        return [self._calls.start(self._name, self._text.lstrip())]

    def _keep(self) -> bool:
        """Remember a complete value; False if it makes the object no call."""
        match self._key, _decode(self._text):
            case "name" | "function", str(name):
                self._name = name
                is_known = not self._calls.names or name in self._calls.names
                return bool(name) and (is_known or not self._is_bare)
            case "name", _:
                return False
            case "function", {"name": str(name), **others}:
                self._name = name
                arguments = others.get("arguments", others.get("parameters", {}))
                self._arguments = json.dumps(arguments, ensure_ascii=False)
            case key, value if key in ARGUMENTS and self._arguments is None:
                self._arguments = _as_arguments(self._text.strip(), value)
        return True

    def _behind_value(self) -> list[ContentEvent] | None:
        self._held = self._held.lstrip()
        match self._held[:1]:
            case "":
                return None
            case ",":
                self._state, self._held = "key", self._held[1:]
                return []
            case "}":
                return self._end_object()
            case _:
                return self._break(self._held)

    def _end_object(self) -> list[ContentEvent]:
        behind = self._held.lstrip()[1:]
        events: list[ContentEvent] = []
        if not self._is_told:
            if self._name is None or (self._is_bare and self._arguments is None):
                return self._break(behind)
            events = [self._calls.start(self._name, self._arguments or "{}")]
        self._reset()
        self._num_read += 1
        self._held = self._raw = behind
        self._state = "behind_call"
        return events

    def _behind_call(self) -> list[ContentEvent] | None:
        if self._behind and (found := self._behind.match(self._held)):
            self.rest = self._held[found.end() :]
            return []
        if following := _NEXT.match(self._held):
            self._held, self._state = self._held[following.end() :], "start"
            return []
        begun = self._held.lstrip(" \t\r\n,;}]" if self._close else " \t\r\n,;]")
        if not begun or self._close.startswith(begun):
            return None
        self.rest = self._held.lstrip(" \t\r\n,;]" if self._is_list else " \t\r\n,;")
        return []

    def _break(self, behind: str) -> list[ContentEvent]:
        """It is no call: all since the last one is text, and `behind` is read anew."""
        self.rest, self.is_broken = behind, True
        text = "" if self._is_told else self._raw[: len(self._raw) - len(behind)]
        return [TextDelta(text)] if text else []


def _may_be_known(key: str) -> bool:
    return any(known.startswith(key) for known in KNOWN_KEYS)


def _decode(text: str) -> Any:
    """A value of a stream that ended; a half surrogate, which no encoding takes, becomes `?`."""
    value = json.loads(text)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _as_arguments(text: str, value: Any) -> str:
    """Some models write the object as a string, and none as null."""
    if isinstance(value, str):
        return value or "{}"
    return "{}" if value is None else text
