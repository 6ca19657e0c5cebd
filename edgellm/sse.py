"""Server-sent events out of bytes that may be cut anywhere. Knows nothing of what they carry.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

_BOM = b"\xef\xbb\xbf"


class SseEvent(Struct, frozen=True):
    """One server-sent event; its `data` lines are joined by newlines."""

    data: str
    name: str = "message"


class SseDecoder:
    """Feed it chunks; it keeps what is not complete yet. Comments, ids and retries are skipped."""

    def __init__(self) -> None:
        self._rest = b""  # of the line that is not complete yet
        self._is_first_line = True
        self._skips_lf = False  # the last chunk ended in CR, which a LF may still belong to
        self._data: list[str] = []
        self._name = ""

    def feed(self, chunk: bytes) -> Iterator[SseEvent]:
        """The events that these bytes complete."""
        for line in self._lines(chunk):
            if line:
                self._field(line.decode("utf-8", "replace"))
                continue
            if self._data:
                yield SseEvent("\n".join(self._data), self._name or "message")
            self._data, self._name = [], ""

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now. They end in LF, CR LF or CR."""
        if not chunk:
            return []
        if self._skips_lf:
            chunk = chunk.removeprefix(b"\n")
        self._skips_lf = chunk.endswith(b"\r")
        text = self._rest + chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        if lines and self._is_first_line:
            lines[0] = lines[0].removeprefix(_BOM)
            self._is_first_line = False
        return lines

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
