"""Calls as Python writes them: `[get_weather(city="Paris"), now()]`, or one without the list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgellm.chat.calls import Calls, ContentEvent
from edgellm.chat.literals import BadText, Reader, Unfinished
from edgellm.types import TextDelta

ALWAYS_READ_SIZE = 200  # up to here, text that is no call is found out at once


class PythonicCalls:
    """A list of calls that no marker closes: it ends at its bracket."""

    def __init__(self, calls: Calls, raw: str) -> None:
        """`raw` is the text before the body and ends with the list's opening bracket."""
        self.rest: str | None = None
        self.is_broken = False
        self._calls, self._before, self._held = calls, raw[:-1], raw[-1:]

    def push(self, text: str) -> list[ContentEvent]:
        is_small = len(self._held) <= ALWAYS_READ_SIZE
        self._held += text
        if "]" not in text and not is_small:
            return []
        reader = Reader(self._held[: max(ALWAYS_READ_SIZE, self._held.rfind("]") + 1)])
        try:
            reader.expect("[")
            found = reader.items("]", lambda: _call(reader, self._calls, is_known=True))
        except Unfinished:
            return []
        except BadText:
            return self._give_up()
        if not found:
            return self._give_up()
        self.rest = self._held[reader.position :]
        return [self._calls.whole(name, arguments) for name, arguments in found]

    def finish(self) -> list[ContentEvent]:
        return [TextDelta(self._before + self._held)]

    def _give_up(self) -> list[ContentEvent]:
        self.rest, self.is_broken = self._held[1:], True
        return [TextDelta(self._before + self._held[:1])]


def read_pythonic(text: str, calls: Calls) -> list[tuple[str, dict[str, Any]]] | None:
    """Names and arguments of calls that are the whole of a text; None if it is none."""
    reader = Reader(text.strip() + "\n")
    try:
        if reader.take("["):
            found = reader.items("]", lambda: _call(reader, calls, is_known=False))
        else:
            found = list(_calls_in_a_row(reader, calls))
    except BadText:
        return None
    return None if _rest(reader) else found


def _calls_in_a_row(reader: Reader, calls: Calls) -> Iterator[tuple[str, dict[str, Any]]]:
    """Calls on lines of their own, or between commas or semicolons."""
    while _rest(reader):
        while reader.peek() in ";,":
            reader.position += 1
        yield _call(reader, calls, is_known=False)


def _rest(reader: Reader) -> str:
    return reader.text[reader.position :].strip(" \t\r\n;,")


def _call(reader: Reader, calls: Calls, *, is_known: bool) -> tuple[str, dict[str, Any]]:
    """One call. With `is_known`, its name must be that of a tool, where the tools are known.

    Raises:
        BadText: it is no call.
    """
    name = _name(reader, calls.names if is_known else ())
    reader.expect("(")
    arguments: dict[str, Any] = {}
    free = list(calls.parameters(name))
    for key, value in reader.items(")", lambda: _argument(reader)):
        if key is None:
            key = next((other for other in free if other not in arguments), None)
        if key is None or key in arguments:
            raise BadText
        arguments[key] = value
    return name, arguments


def _name(reader: Reader, names: tuple[str, ...]) -> str:
    reader.peek()
    begin = reader.position
    try:
        name = reader.name()
    except Unfinished:
        begun = reader.text[begin:]
        if names and not any(known.startswith(begun) for known in names):
            raise BadText from None
        raise
    if names and name not in names:
        raise BadText
    return name


def _argument(reader: Reader) -> tuple[str | None, Any]:
    """`key=value`, or a value by its place."""
    reader.peek()
    begin = reader.position
    try:
        key = reader.name()
        if reader.take("="):
            return key, reader.value()
    except Unfinished:
        raise
    except BadText:
        pass
    reader.position = begin
    return None, reader.value()
