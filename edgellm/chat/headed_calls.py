"""A call whose name stands in front of its arguments: `name[ARGS]{...}` and the like.

The arguments go through while they are written. Knows no markers: the format's file gives what
stands before and behind the arguments.
"""

from __future__ import annotations

import re

from edgellm.chat.calls import Calls, ContentEvent
from edgellm.chat.json_stream import JsonStream
from edgellm.types import TextDelta

LONGEST_HEAD = 300


class HeadedCall:
    """One call: a head that names it, a JSON object, and what closes it."""

    def __init__(
        self, calls: Calls, raw: str, head: re.Pattern[str], close: str = "", *, name: str = ""
    ) -> None:
        """Make a body.

        Args:
            raw: the marker before it.
            head: matches all before the object's bracket; its group 1 is the name.
            close: the marker behind it, which white space and code fences may precede.
            name: of the function, where the head does not hold it.
        """
        self.rest: str | None = None
        self.is_broken = False
        self._calls, self._raw, self._head, self._close = calls, raw, head, close
        self._held = ""
        self._name: str | None = None  # until the head was read
        self._given_name = name
        self._arguments = JsonStream()
        self._begun = ""  # arguments that wait until they are more than a bracket
        self._is_told = False

    def push(self, text: str) -> list[ContentEvent]:
        self._held += text
        if self._name is None and not self._read_head():
            return self._give_up()
        if self._name is None or self._arguments.is_done:
            return self._read_close()
        text, self._held = self._held, ""
        return self._read_arguments(text)

    def finish(self) -> list[ContentEvent]:
        if not self._is_told:
            return [TextDelta(self._raw + self._held)]
        held = self._arguments.finish()
        return [self._calls.more(held)] if held else []

    def _read_head(self) -> bool:
        """False if it is no head."""
        position = self._held.find("{")
        if position < 0:
            return len(self._held) <= LONGEST_HEAD
        head = self._head.fullmatch(self._held, 0, position)
        if head is None:
            return False
        self._name = self._given_name or head[1]
        self._raw, self._held = self._raw + self._held[:position], self._held[position:]
        return True

    def _give_up(self) -> list[ContentEvent]:
        """The text up to a bracket, or as much as a head may have."""
        position = self._held.find("{")
        size = min(position if position >= 0 else LONGEST_HEAD, LONGEST_HEAD)
        text, self.rest = self._raw + self._held[:size], self._held[size:]
        self.is_broken = True
        return [TextDelta(text)]

    def _read_arguments(self, text: str) -> list[ContentEvent]:
        new = self._arguments.push(text)
        if not self._is_told:
            self._raw += text
        events = self._tell(new)
        if self._arguments.is_broken:
            self.rest, self.is_broken = self._arguments.rest, True
            text = "" if self._is_told else self._raw[: len(self._raw) - len(self.rest)]
            return [*events, TextDelta(text)] if text else events
        self._held = self._arguments.rest
        return [*events, *self._read_close()] if self._arguments.is_done else events

    def _tell(self, new: str) -> list[ContentEvent]:
        if self._is_told:
            return [self._calls.more(new)] if new else []
        self._begun += new
        if len(self._begun.rstrip()) < 2:
            return []
        self._is_told = True
        return [self._calls.start(self._name or "", self._begun)]

    def _read_close(self) -> list[ContentEvent]:
        if not self._arguments.is_done:
            return []
        begun = self._held.lstrip(" \t\r\n`")
        if self._close and begun.startswith(self._close):
            self.rest = begun[len(self._close) :]
        elif not self._close or not self._close.startswith(begun):
            self.rest = self._held
        return []
