"""Several answers to one request (`n`, or many prompts), read as one stream of events.

Each of the router's generators lives in a task of its own: it is begun, read and closed there.
So closing never meets a generator that is running, whoever asks and in whatever state.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence

import anyio

from edgellm.errors import DeadlineExceeded
from edgellm.types import Event, Finished, Started

Indexed = tuple[int, Event]


class Answers:
    """Begin with `start()`, iterate over (index, event), and always end with `aclose()`."""

    def __init__(
        self,
        generators: Sequence[AsyncGenerator[Event, None]],
        deadline_seconds: float | None = None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin to read.

        Args:
            deadline_seconds: after which those that have not ended fail, and their work is
                cancelled. None = never.
            on_closed: called when all have ended and nothing goes on behind them; maybe twice.
        """
        self._deadline_seconds = deadline_seconds
        self._on_closed = on_closed
        self._queue: asyncio.Queue[tuple[int, Event | Exception]] = asyncio.Queue()
        self._early: deque[Indexed] = deque()
        self._num_open = self._num_unstarted = len(generators)
        self._ending: set[int] = set()
        self._tasks = [
            asyncio.create_task(self._read(index, generator))
            for index, generator in enumerate(generators)
        ]

    async def start(self) -> None:
        """Wait until every prompt is accepted. Raises the first error, so that it can still
        become an HTTP status. The events that came meanwhile are kept. May be cancelled and
        called again."""
        while self._num_unstarted:
            index, event = await self._next()
            self._num_unstarted -= isinstance(event, Started)
            self._early.append((index, event))

    def __aiter__(self) -> Answers:
        return self

    async def __anext__(self) -> Indexed:
        """Raises the error that ended an answer; the others go on until `aclose()`."""
        if not self._num_open:
            raise StopAsyncIteration
        item = self._early.popleft() if self._early else await self._next()
        self._num_open -= isinstance(item[1], Finished)
        return item

    def fail(self, error: Exception) -> None:
        """Let the reader meet `error` after the events that have already come."""
        self._queue.put_nowait((-1, error))

    async def aclose(self) -> None:
        """Close every generator, which cancels its work in the engine. Safe to repeat.

        A generator that has ended, or has been told to, is left to clean up in peace.
        Shielded: this runs while the request is being cancelled, and must not be cut short.
        """
        for index, task in enumerate(self._tasks):
            if index not in self._ending:
                self._ending.add(index)
                task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._on_closed()

    async def _next(self) -> Indexed:
        index, item = await self._queue.get()
        if isinstance(item, Exception):
            raise item
        return index, item

    async def _read(self, index: int, generator: AsyncGenerator[Event, None]) -> None:
        event: Event | None = None
        try:
            async with self._deadline():
                async for event in generator:
                    self._queue.put_nowait((index, event))
                    if isinstance(event, Finished):
                        self._ending.add(index)
            if not isinstance(event, Finished):
                raise RuntimeError("the router ended an answer without Finished")
        except Exception as error:  # noqa: BLE001 - handed to the request's own task
            self._queue.put_nowait((index, error))
        finally:
            await generator.aclose()

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncGenerator[None, None]:
        """Raises DeadlineExceeded where the block takes too long."""
        seconds = self._deadline_seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                yield
        except TimeoutError:
            if seconds is None or not limit.expired():
                raise
            raise DeadlineExceeded(seconds) from None
