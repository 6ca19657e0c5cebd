"""Fetches one file into `X.part`, whatever the network does meanwhile. Knows no models.

What is there already is read again (a digest cannot be resumed) and the rest is asked for with
`Range`. Where no digest says that it is still the same file, `If-Range` and the remembered
validator do; where there is none either, it starts anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

from edgellm.atomic import UNFINISHED, write_atomically
from edgellm.errors import DownloadFailed, StoreError, TooManyRequests
from edgellm.store.disk import disk_errors
from edgellm.store.files import read_through
from edgellm.store.progress import Meter
from edgellm.store.remote import ContentHash, Remote
from edgellm.store.sources import http
from edgellm.store.sources.refusals import Asked, is_temporary, refusal

if TYPE_CHECKING:
    import httpx

MAX_FAILURES = 10  # in a row, without a byte in between: some three minutes of silence
MAX_WAIT_SECONDS = 60.0  # that a server may make us wait without an error
_MAX_PAUSE_SECONDS = 16.0


class Download:
    """One file on its way. `run` ends with all of it on the disk, synced and hashed."""

    def __init__(self, remote: Remote, part: Path, meter: Meter, asked: Asked, token: str) -> None:
        self._remote, self._part, self._meter = remote, part, meter
        self._asked, self._token = asked, token
        self._hash = ContentHash(remote)
        self.was_resumed = False  # whether bytes of an earlier process are in it

    def run(self, client: httpx.Client) -> ContentHash:
        """Fetch what is missing.

        Raises:
            StoreError: refused, too many failures, or the disk is full. What came is kept.
            PullCancelled: somebody asked to stop.
        """
        with disk_errors(self._part), self._part.open("a+b", buffering=0) as file:
            self._read_what_is_there(file)
            self._persist(client, file)
            os.fsync(file.fileno())
        return self._hash

    def _read_what_is_there(self, file: IO[bytes]) -> None:
        if not self._can_go_on() or _is_too_long(file, self._remote.size_bytes):
            self._start_anew(file)
        if file.seek(0, 2) == 0:
            return
        self.was_resumed = True
        self._meter.set(phase="checking")
        file.seek(0)
        read_through(file, self._take_old)
        self._meter.set(phase="fetching")

    def _take_old(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._meter.add(len(piece))

    def _persist(self, client: httpx.Client, file: IO[bytes]) -> None:
        """Try until it is whole; only failures without any progress count."""
        import httpx

        num_failures, furthest = 0, self._hash.num_bytes
        while not self._is_whole():
            try:
                if self._fetch_rest(client, file):
                    return
                error: Exception = DownloadFailed("the connection ended early")
            except (httpx.TransportError, TooManyRequests, _Busy) as caught:
                error = caught
            num_failures = 1 if self._hash.num_bytes > furthest else num_failures + 1
            furthest = max(furthest, self._hash.num_bytes)
            if num_failures >= MAX_FAILURES:
                raise self._given_up(error)
            self._pause(error, num_failures)

    def _is_whole(self) -> bool:
        size = self._remote.size_bytes
        return size is not None and self._hash.num_bytes == size

    def _fetch_rest(self, client: httpx.Client, file: IO[bytes]) -> bool:
        """One connection; whether it ended where the file ends."""
        remote, start = self._remote, self._hash.num_bytes
        validator = "" if remote.sha256 or remote.git_sha1 else remote.etag
        if start and not self._can_go_on():
            self._start_anew(file)
            start = 0
        with http.stream(
            client, remote.url, start=start, validator=validator, token=self._token
        ) as answer:
            self._check(answer, file, start)
            for (
                piece
            ) in answer.iter_raw():  # as it comes: a size would hold bytes back, and lose them
                self._write(file, piece)
        return remote.size_bytes is None or self._is_whole()

    def _write(self, file: IO[bytes], piece: bytes) -> None:
        size = self._remote.size_bytes
        if size is not None and self._hash.num_bytes + len(piece) > size:
            raise DownloadFailed(
                f"The server sent more of {self._asked.what} than the {size:,} bytes that it has.",
                "A proxy may have changed it; try another network.",
            )
        view = memoryview(piece)
        while view:
            view = view[file.write(view) :]
        self._hash.update(piece)
        self._meter.add(len(piece), is_fetched=True)

    def _check(self, answer: httpx.Response, file: IO[bytes], start: int) -> None:
        """Whether the answer goes on where we are; if it begins anew, so do we."""
        size, told = self._remote.size_bytes, http.whole_size(answer)
        status = answer.status_code
        if status in {200, 206} and None not in (size, told) and size != told:
            raise DownloadFailed(
                f"{self._asked.what} has {told:,} bytes now instead of {size:,}: it has changed.",
                "Pull again to get what is there now.",
            )
        if status == 206 and _first_byte(answer) == start:
            return
        if status in {200, 206, 416}:  # no ranges here, or it is another file by now
            self._start_anew(file)
        if status != 200:
            self._refuse(answer)

    def _refuse(self, answer: httpx.Response) -> None:
        error = refusal(answer.status_code, answer.headers, self._asked)
        is_worth_another_try = answer.status_code in {206, 416} or is_temporary(answer.status_code)
        if is_worth_another_try and not isinstance(error, TooManyRequests):
            raise _Busy(error)
        raise error

    def _can_go_on(self) -> bool:
        """Whether bytes from before are surely of the same file."""
        if self._remote.sha256 or self._remote.git_sha1:
            return True
        note = _note(self._part)
        remembered = note.read_text() if note.exists() else ""
        return bool(self._remote.etag) and remembered == self._remote.etag

    def _start_anew(self, file: IO[bytes]) -> None:
        file.truncate(0)
        file.seek(0)
        self._meter.add(-self._hash.num_bytes)
        self._hash = ContentHash(self._remote)
        write_atomically(_note(self._part), self._remote.etag.encode())

    def _pause(self, error: Exception, num_failures: int) -> None:
        self._meter.set(num_retries=self._meter.state.num_retries + 1)
        if isinstance(error, TooManyRequests) and error.retry_after_seconds is not None:
            if error.retry_after_seconds > MAX_WAIT_SECONDS:
                raise error
            self._meter.sleep(error.retry_after_seconds)
        else:
            self._meter.sleep(min(_MAX_PAUSE_SECONDS, 0.5 * 2 ** (num_failures - 1)))

    def _given_up(self, error: Exception) -> StoreError:
        if isinstance(error, TooManyRequests):
            return error
        if isinstance(error, _Busy):
            return error.told
        return http.unreachable(self._asked.what, error)


def forget_part(part: Path) -> None:
    """Remove an unfinished file and what is noted of it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


class _Busy(Exception):
    """The server answered, and may answer better in a moment."""

    def __init__(self, told: StoreError) -> None:
        super().__init__(told.message)
        self.told = told


def _note(part: Path) -> Path:
    """Where the validator of a part is remembered; files of models never end in `.part`."""
    return part.with_name(f"{part.name.removesuffix(UNFINISHED)}.validator{UNFINISHED}")


def _is_too_long(file: IO[bytes], size: int | None) -> bool:
    return size is not None and file.seek(0, 2) > size


def _first_byte(answer: httpx.Response) -> int | None:
    """Of a part, where it begins in the file."""
    text = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdigit() else None
