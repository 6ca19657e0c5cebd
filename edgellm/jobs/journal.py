"""The journal of a job: one JSON object per line, only ever appended to, by one process.

A kill or a power cut may leave half a line at the end: readers pass over it, and the next writer
cuts it off. What later steps rely on is on the disk before `write` returns; progress is not worth
that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from edgellm.jobs.events import Entry, JobEvent, Progress

_decode = msgspec.json.Decoder(Entry).decode


def read_entries(path: Path) -> list[Entry]:
    """All entries; none where there is no journal yet."""
    return JournalReader(path).new()


class JournalReader:
    """Reads a journal that grows, each entry once."""

    def __init__(self, path: Path, after: int = 0) -> None:
        """Args: after: the number of the last entry that is known already."""
        self._path, self._after = path, after
        self._offset = 0

    def new(self) -> list[Entry]:
        """What came since the last call. Raises OSError."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data.rfind(b"\n") + 1  # what no line end follows is not complete
        self._offset += whole
        entries = map(_entry, data[:whole].splitlines())
        return [entry for entry in entries if entry is not None and entry.number > self._after]


def _entry(line: bytes) -> Entry | None:
    """None for a line that a failing disk has spoilt; the others still tell their part."""
    try:
        return _decode(line)
    except msgspec.DecodeError:
        return None


class Journal:
    """Appends to a journal. Close it, or use `with`."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises OSError where it cannot be written."""
        self._clock = clock
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, whole, os.SEEK_SET)
        self._number = data.count(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, event: JobEvent) -> Entry:
        """Raises OSError: the disk is full, or gone; nothing of the entry stays."""
        entry = Entry(self._number + 1, self._clock(), event)
        line = msgspec.json.encode(entry) + b"\n"
        start = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError(28, "No space left on device")  # ENOSPC, or a limit
            if not isinstance(event, Progress):
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, start)
            os.lseek(self._descriptor, start, os.SEEK_SET)
            raise
        self._number += 1
        return entry

    def close(self) -> None:
        os.close(self._descriptor)
