"""Calls that can only be read when they are complete: everything up to a closing marker.

Knows no format: the format's file gives the reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from edgellm.chat.calls import Calls, ContentEvent
from edgellm.chat.markup import Body, MakeBody
from edgellm.types import TextDelta

Read: TypeAlias = Callable[[str], list[tuple[str, dict[str, Any]]] | None]


class WholeCalls:
    """Holds the text up to `close`; then it is calls, or text."""

    def __init__(
        self, calls: Calls, raw: str, close: re.Pattern[str], read: Read, *, end: str | None = ""
    ) -> None:
        """Make a body.

        Args:
            raw: the marker before it.
            close: ends the body; must not match the beginning of a longer match of its own.
            read: gets the text before `close`; gives names and arguments, or None.
            end: what a body without `close` must end with to be whole; None = it never is.
        """
        self.rest: str | None = None
        self.is_broken = False
        self._calls, self._raw, self._close, self._read = calls, raw, close, read
        self._end = end
        self._held = ""

    def push(self, text: str) -> list[ContentEvent]:
        self._held += text
        found = self._close.search(self._held)
        if found is None:
            return []
        self.rest = self._held[found.end() :]
        return self._events(self._held[: found.start()], self._raw + self._held[: found.end()])

    def finish(self) -> list[ContentEvent]:
        """Calls that are whole count though their closing marker is missing."""
        if self._end is None or not self._held.rstrip().endswith(self._end):
            return [TextDelta(self._raw + self._held)]
        return self._events(self._held, self._raw + self._held)

    def _events(self, body: str, raw: str) -> list[ContentEvent]:
        calls = self._read(body)
        if not calls:
            self.is_broken = True
            return [TextDelta(raw)]
        return [self._calls.whole(name, arguments) for name, arguments in calls]


class Fork:
    """Chooses what reads a body by how it begins."""

    def __init__(
        self, raw: str, ways: Mapping[str, MakeBody], otherwise: MakeBody | None = None
    ) -> None:
        """Make a body.

        Args:
            raw: the marker before it.
            ways: beginnings, white space apart, with what reads such a body.
            otherwise: reads all other bodies; None = they are text.
        """
        self.rest: str | None = None
        self.is_broken = False
        self._raw, self._ways, self._otherwise = raw, ways, otherwise
        self._held = ""
        self._body: Body | None = None

    def push(self, text: str) -> list[ContentEvent]:
        self._held += text
        if self._body is None and not self._choose():
            return self._give_up() if self.is_broken else []
        text, self._held = self._held, ""
        return self._pass(text)

    def finish(self) -> list[ContentEvent]:
        if self._body is None:
            return [TextDelta(self._raw + self._held)]
        return self._body.finish()

    def _choose(self) -> bool:
        """False if more text is needed, or it is no body of the kind."""
        begun = "".join(self._held.split())
        for beginning, make in self._ways.items():
            if begun.startswith(beginning):
                self._body = make(self._raw)
                return True
            if beginning.startswith(begun):
                return False
        self._body = self._otherwise(self._raw) if self._otherwise else None
        self.is_broken = self._body is None
        return self._body is not None

    def _give_up(self) -> list[ContentEvent]:
        self.rest = self._held
        return [TextDelta(self._raw)]

    def _pass(self, text: str) -> list[ContentEvent]:
        assert self._body is not None
        events = self._body.push(text)
        self.rest, self.is_broken = self._body.rest, self._body.is_broken
        return events
