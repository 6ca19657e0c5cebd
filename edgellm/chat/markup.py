"""A model's text between markers: what is answer, what is reasoning, and where calls begin.

Text that cannot be the beginning of a marker goes through at once. Knows no format: the markers,
and what reads a call behind one, are given by the files in `parsers/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from edgellm.chat.calls import Calls, ContentEvent
from edgellm.types import ReasoningDelta, TextDelta


class Body(Protocol):
    """Reads what comes behind a marker, up to its end."""

    rest: str | None  # what comes behind the end; None = it has not ended
    is_broken: bool  # it was no call; all of it came back as text

    def push(self, text: str) -> list[ContentEvent]: ...

    def finish(self) -> list[ContentEvent]: ...


MakeBody: TypeAlias = Callable[[str], Body]  # gets the text up to the body, in case it is no call


class Thinking(NamedTuple):
    """The markers around reasoning."""

    opening: str = "<think>"
    closing: str = "</think>"
    is_anywhere: bool = False  # False: the opening one counts at the beginning of the answer only


class MarkedParser:
    """An output parser for formats that put markers into the text."""

    def __init__(
        self,
        calls: Calls,
        markers: Mapping[str, MakeBody],
        *,
        first: Mapping[str, MakeBody] | None = None,
        thinking: Thinking | None = None,
        gaps: Iterable[str] = (),
        shown: Iterable[str] = (),
        prompt: str = "",
    ) -> None:
        """Make a parser of one answer.

        Args:
            markers: what begins a call, with what reads it.
            first: markers that count at the beginning of the answer only.
            gaps: markers that mean nothing by themselves; with a call, they are dropped.
            shown: further control tokens that the bodies need to see.
            prompt: its end, as the template wrote it: it may have begun the reasoning.
        """
        self._calls, self._markers, self._first = calls, dict(markers), dict(first or {})
        self._thinking, self._gaps = thinking, tuple(gaps)
        self._shown = tuple(shown)
        self._held = ""  # may be the beginning of a marker
        self._gap = ""  # white space (and gap markers) behind the text that was told
        self._body: Body | None = None
        self._is_first = True  # nothing of the answer was told
        self._is_after_mark = False  # gap markers that come next belong to the format
        self._has_structure = False  # there was a call, or reasoning
        self._is_thinking = thinking is not None and prompt.rstrip().endswith(
            thinking.opening.rstrip()
        )
        self._has_thought = False  # something of this reasoning was told
        if self._is_thinking:
            self._is_after_mark = self._has_structure = True

    @property
    def num_tool_calls(self) -> int:
        return self._calls.num

    @property
    def shown_tokens(self) -> tuple[str, ...]:
        thinking = self._thinking[:2] if self._thinking else ()
        return (*self._markers, *self._first, *thinking, *self._gaps, *self._shown)

    @property
    def is_thinking(self) -> bool | None:
        if self._is_thinking or self._body is not None:
            return self._is_thinking
        opening = self._thinking.opening if self._thinking else ""
        begun = self._held.lstrip()
        return None if begun and opening.startswith(begun) else False

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to look for."""
        return not (self._markers or self._first or self._thinking or self._gaps)

    def push(self, text: str) -> list[ContentEvent]:
        self._held += text
        events: list[ContentEvent] = []
        while self._held and (more := self._step()) is not None:
            events += more
        return merged(events)

    def finish(self) -> list[ContentEvent]:
        events: list[ContentEvent] = []
        if self._body is not None:
            events += self._as_told(self._body.finish())
        events += self._text(self._held)
        if self._gap and not self._has_structure:
            events.append(TextDelta(self._gap))
        self._held, self._gap, self._body = "", "", None
        return merged(events)

    def drop_held(self) -> None:
        self._held = self._gap = ""

    def _step(self) -> list[ContentEvent] | None:
        """Take something off what is held; None if more is needed."""
        if self._body is not None:
            return self._from_body(self._body)
        found = self._find()
        if found is not None:
            position, marker = found
            before, self._held = self._held[:position], self._held[position + len(marker) :]
            return [*self._text(before), *self._open(marker)]
        size = len(self._held) - self._num_doubtful()
        text, self._held = self._held[:size], self._held[size:]
        return self._text(text) if text else None

    def _from_body(self, body: Body) -> list[ContentEvent]:
        events = self._as_told(body.push(self._held))
        self._held = body.rest or ""
        if body.rest is not None:
            self._body = None
            self._is_after_mark = not body.is_broken
        return events

    def _as_told(self, events: list[ContentEvent]) -> list[ContentEvent]:
        """A call makes structure; text that was no call is text of where it stands."""
        told: list[ContentEvent] = []
        for event in events:
            if isinstance(event, TextDelta):
                told += self._told(event.text)
            else:
                self._has_structure = True
                told.append(event)
        return told

    def _find(self) -> tuple[int, str] | None:
        """The next marker and where it is."""
        found = [
            (position, -len(marker), marker)
            for marker in self._active()
            if (position := self._held.find(marker)) >= 0
        ]
        begun = self._held.lstrip()
        found += [
            (len(self._held) - len(begun), -len(marker), marker)
            for marker in self._active_first()
            if begun.startswith(marker)
        ]
        position, _, marker = min(found, default=(-1, 0, ""))
        return (position, marker) if marker else None

    def _num_doubtful(self) -> int:
        """The length of the end of what is held that may be the beginning of a marker."""
        begun = self._held.lstrip()
        if begun and any(marker.startswith(begun) for marker in self._active_first()):
            return len(self._held)
        return max((overlap(self._held, marker) for marker in self._active()), default=0)

    def _active(self) -> list[str]:
        """The markers that mean something here."""
        active = [*self._markers]
        if not self._is_thinking:
            active += self._gaps
        if self._thinking and (self._is_thinking or self._thinking.is_anywhere):
            active.append(self._marker_of(self._thinking))
        return active

    def _active_first(self) -> list[str]:
        if self._is_thinking or not self._is_first:
            return []
        return [*self._first, *([self._thinking.opening] if self._thinking else [])]

    def _marker_of(self, thinking: Thinking) -> str:
        """What ends the reasoning, or begins it."""
        return thinking.closing if self._is_thinking else thinking.opening

    def _open(self, marker: str) -> list[ContentEvent]:
        if self._thinking and marker == self._marker_of(self._thinking):
            self._is_thinking = not self._is_thinking
            self._is_after_mark, self._has_structure = True, True
            self._gap, self._has_thought = "", False
        elif marker in self._gaps:
            self._gap += marker
        elif self._is_thinking and self._has_thought and "\n" not in self._gap:
            return self._text(marker)  # a marker that is talked about
        else:
            make = self._markers.get(marker) or self._first[marker]
            self._body, self._gap = make(self._gap + marker), ""
        return []

    def _text(self, text: str) -> list[ContentEvent]:
        """Text, but for the white space at its end, which may come before a marker."""
        solid = text.rstrip()
        if not solid:
            self._gap += text
            return []
        lead, self._gap = self._gap, text[len(solid) :]
        if not self._is_after_mark:
            return self._told(lead + solid)
        for marker in self._gaps:
            lead = lead.replace(marker, "")
        has_told = self._has_thought if self._is_thinking else not self._is_first
        return self._told(lead + solid if has_told else solid.lstrip())

    def _told(self, text: str) -> list[ContentEvent]:
        self._is_after_mark = False
        if self._is_thinking:
            self._has_thought = True
            return [ReasoningDelta(text)]
        self._is_first = False
        return [TextDelta(text)]


def overlap(text: str, marker: str) -> int:
    """The length of the longest end of `text` that begins `marker`, without being all of it."""
    return next(
        (
            length
            for length in range(min(len(marker) - 1, len(text)), 0, -1)
            if text.endswith(marker[:length])
        ),
        0,
    )


def merged(events: list[ContentEvent]) -> list[ContentEvent]:
    """Neighbours of one kind become one event."""
    result: list[ContentEvent] = []
    for event in events:
        match (result[-1] if result else None, event):
            case (TextDelta(before), TextDelta(text)):
                result[-1] = TextDelta(before + text)
            case (ReasoningDelta(before), ReasoningDelta(text)):
                result[-1] = ReasoningDelta(before + text)
            case _:
                result.append(event)
    return result
