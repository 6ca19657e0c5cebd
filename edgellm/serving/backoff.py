"""How long to wait before a process that died is started again."""

from __future__ import annotations

import time
from collections.abc import Callable


class Backoff:
    """No wait after a healthy life; 0, 0.5, 1, 2, ... seconds while lives stay short.

    A short life in which something was computed is no reason to wait longer than the first time:
    somebody waits for the rest.
    """

    def __init__(
        self,
        *,
        first_seconds: float = 0.5,
        most_seconds: float = 30.0,
        healthy_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._healthy = healthy_seconds
        self._clock = clock
        self._started: float | None = None
        self._num_short_lives = 0
        self._is_useful = False

    def start(self) -> None:
        """A life begins: the process is ready."""
        self._started = self._clock()
        self._is_useful = False

    def prove(self) -> None:
        """The process has computed something."""
        self._is_useful = True

    def next_delay(self) -> float:
        """The life is over; seconds to wait."""
        is_healthy = self._started is not None and self._clock() - self._started >= self._healthy
        self._started = None
        self._num_short_lives = 0 if is_healthy else self._num_short_lives + 1
        if self._is_useful:
            self._num_short_lives = min(self._num_short_lives, 2)
        self._is_useful = False
        if self._num_short_lives <= 1:
            return 0.0
        return min(self._most, float(self._first * 2 ** (self._num_short_lives - 2)))
