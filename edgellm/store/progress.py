"""How far a pull is, and how fast it may go. Knows bytes and a clock, no network and no screen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from edgellm.errors import PullCancelled

Phase: TypeAlias = Literal["asking", "waiting", "checking", "fetching", "done"]

_TELL_SECONDS = 0.1
_WINDOW_SECONDS = 5.0
_BURST_SECONDS = 0.1  # that a pause of the network may be made up for
_NAP_SECONDS = 0.1  # the longest sleep between two looks at `should_stop`


class Progress(Struct, frozen=True):
    """Of the whole model. `asking`: what is wanted is looked up; `waiting`: another process fetches
    it; `checking`: what is there is read and compared; `num_retries`: lost connections so far."""

    phase: Phase
    done_bytes: int
    total_bytes: int | None
    bytes_per_second: float | None = None  # of the last seconds; None before there is one
    file: str = ""
    num_retries: int = 0


class Meter:
    """Counts bytes, tells a listener, keeps to a rate, and ends a pull when asked to.

    Args:
        limit_rate: bytes per second; None or 0 = no limit.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        limit_rate: float | None = None,
        should_stop: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._on_progress = on_progress
        self._limit_rate = limit_rate or None
        self._should_stop = should_stop or (lambda: False)
        self._clock, self._sleep = clock, sleep
        self._recent: deque[tuple[float, int]] = deque()
        self._fetched = 0  # over the network, by this process
        self._due = clock()  # when the next byte may come
        self._told = float("-inf")
        self.state = Progress("asking", 0, None)

    def set(self, **changes: object) -> None:
        """Change fields of the state, and tell it at once."""
        self.state = replace(self.state, **changes)
        self._tell(is_due=True)

    def add(self, num_bytes: int, *, is_fetched: bool = False) -> None:
        """More bytes are there: read from the disk, or fetched. Sleeps to keep to the rate.

        Raises:
            PullCancelled: somebody asked to stop.
        """
        now = self._clock()
        self.state = replace(self.state, done_bytes=self.state.done_bytes + num_bytes)
        if is_fetched:
            self._fetched += num_bytes
            self._remember(now)
        self._tell(is_due=now - self._told >= _TELL_SECONDS)
        self.check_stop()
        if is_fetched and self._limit_rate:
            self._due = max(self._due, now - _BURST_SECONDS) + num_bytes / self._limit_rate
            self.sleep(self._due - now)

    def sleep(self, seconds: float) -> None:
        """Wait, with an open ear.

        Raises:
            PullCancelled: somebody asked to stop.
        """
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0:
            self._sleep(min(left, _NAP_SECONDS))
            self.check_stop()

    def check_stop(self) -> None:
        """Raise PullCancelled if somebody asked to stop."""
        if self._should_stop():
            raise PullCancelled(
                "The pull was stopped.", "What came is kept: the next pull goes on from there."
            )

    def _remember(self, now: float) -> None:
        self._recent.append((now, self._fetched))
        while now - self._recent[0][0] > _WINDOW_SECONDS:
            self._recent.popleft()
        (start, before), seconds = self._recent[0], now - self._recent[0][0]
        if seconds > 0 and start != now:
            self.state = replace(self.state, bytes_per_second=(self._fetched - before) / seconds)

    def _tell(self, *, is_due: bool) -> None:
        if is_due and self._on_progress is not None:
            self._told = self._clock()
            self._on_progress(self.state)
