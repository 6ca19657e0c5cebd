"""Downloads that several clients may wait for: one thread for each model, however many ask.

Knows neither names nor stores: a `Work` blocks, tells how far it is, and stops when asked to.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

from edgellm.errors import PullCancelled
from edgellm.store.progress import Progress

Show: TypeAlias = Callable[[Progress], None]
Work: TypeAlias = Callable[[Show, Callable[[], bool]], object]
"""`work(show, should_stop)`; raises what went wrong."""


class Pulls:
    """All of one server, by their keys."""

    def __init__(self) -> None:
        self._running: dict[str, _Pull] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def follow(self, key: str, work: Work) -> AsyncGenerator[Progress, None]:
        """The progress of the pull of that key, which begins if there is none. A slow reader
        misses steps, never the last one.

        Raises:
            PullCancelled: the server is shutting down.
            Exception: whatever `work` raised.
        """
        if self._is_closed:
            raise PullCancelled("The server is shutting down.", "Pull again when it is back.")
        pull = self._running.get(key)
        if pull is None:
            pull = self._running[key] = _Pull(work)
            pull.task.add_done_callback(lambda _: self._forget(key, pull))
        pull.num_followers += 1
        try:
            async for progress in pull.steps():
                yield progress
        finally:
            pull.num_followers -= 1
            if not pull.num_followers:
                self._forget(key, pull)
                pull.stop()

    async def aclose(self) -> None:
        """Stop all of them, and wait until their threads have noticed. No new one begins."""
        self._is_closed = True
        pulls = list(self._running.values())
        for pull in pulls:
            pull.stop()
        await asyncio.gather(*(pull.task for pull in pulls), *self._ending)

    def _forget(self, key: str, pull: _Pull) -> None:
        """The next one to ask begins anew, even if this one is still about to stop."""
        if self._running.get(key) is pull:
            del self._running[key]
        if not pull.task.done():
            self._ending.add(pull.task)
            pull.task.add_done_callback(self._ending.discard)


class _Pull:
    """One of them. Changes on the event loop only."""

    def __init__(self, work: Work) -> None:
        self.num_followers = 0
        self._loop = asyncio.get_running_loop()
        self._must_stop = threading.Event()
        self._latest: Progress | None = None
        self._error: Exception | None = None
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._run(work))

    def stop(self) -> None:
        self._must_stop.set()

    async def steps(self) -> AsyncGenerator[Progress, None]:
        shown: Progress | None = None
        while True:
            changed, is_done = self._changed, self.task.done() or self._error is not None
            if self._latest is not None and self._latest is not shown:
                shown = self._latest
                yield shown
                continue
            if is_done:
                break
            await changed.wait()
        if self._error is not None:
            raise self._error

    async def _run(self, work: Work) -> None:
        try:
            await asyncio.to_thread(work, self._show, self._must_stop.is_set)
        except Exception as error:  # noqa: BLE001 - raised to every follower
            self._error = error
        finally:
            self._loop.call_soon(self._tell)  # once the task is done

    def _show(self, progress: Progress) -> None:
        """From the thread of the download."""
        self._loop.call_soon_threadsafe(self._tell, progress)

    def _tell(self, progress: Progress | None = None) -> None:
        self._latest = progress or self._latest
        self._changed.set()
        self._changed = asyncio.Event()
