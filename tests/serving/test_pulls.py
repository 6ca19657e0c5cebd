"""Downloads that several wait for: one thread, many followers, none left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from edgellm.errors import DownloadFailed, PullCancelled
from edgellm.serving.pulls import Pulls, Show
from edgellm.store.progress import Progress


def step(done: int) -> Progress:
    return Progress("fetching", done, 10)


class Download:
    """Goes on while it is told to, and counts how often it was begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.num_begun = 0
        self.was_stopped = False
        self.error = error
        self._go_on = threading.Semaphore(0)

    def allow(self, num_steps: int) -> None:
        self._go_on.release(num_steps)

    def work(self, show: Show, should_stop: Callable[[], bool]) -> None:
        self.num_begun += 1
        for done in range(1, 4):
            while not self._go_on.acquire(timeout=0.01):
                if should_stop():
                    self.was_stopped = True
                    raise PullCancelled("The pull was stopped.")
            show(step(done))
        if self.error is not None:
            raise self.error


async def collect(pulls: Pulls, download: Download, key: str = "a") -> list[int]:
    return [each.done_bytes async for each in pulls.follow(key, download.work)]


def test_all_followers_share_one_download() -> None:
    async def run() -> None:
        pulls, download = Pulls(), Download()
        followers = [asyncio.create_task(collect(pulls, download)) for _ in range(3)]
        await asyncio.sleep(0.02)
        download.allow(3)
        for found in await asyncio.gather(*followers):
            assert found[-1] == 3
            assert found == sorted(found)
        assert download.num_begun == 1
        download.allow(3)
        assert (await collect(pulls, download))[-1] == 3
        assert download.num_begun == 2

    asyncio.run(run())


def test_other_models_are_other_downloads() -> None:
    async def run() -> None:
        pulls, first, second = Pulls(), Download(), Download()
        first.allow(3)
        second.allow(3)
        await asyncio.gather(collect(pulls, first, "a"), collect(pulls, second, "b"))
        assert (first.num_begun, second.num_begun) == (1, 1)

    asyncio.run(run())


def test_an_error_reaches_every_follower() -> None:
    async def run() -> None:
        pulls, download = Pulls(), Download(DownloadFailed("The network is gone."))
        download.allow(3)
        followers = (collect(pulls, download) for _ in range(2))
        found = await asyncio.gather(*followers, return_exceptions=True)
        assert [type(each) for each in found] == [DownloadFailed, DownloadFailed]

    asyncio.run(run())


def test_the_last_to_leave_stops_it() -> None:
    async def run() -> None:
        pulls, download = Pulls(), Download()
        first = asyncio.create_task(collect(pulls, download))
        second = asyncio.create_task(collect(pulls, download))
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        download.allow(1)
        await asyncio.sleep(0.05)
        assert not download.was_stopped
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await pulls.aclose()  # waits for its thread
        assert download.was_stopped

    asyncio.run(run())


def test_whoever_asks_while_it_stops_begins_anew() -> None:
    async def run() -> None:
        pulls, old, new = Pulls(), Download(), Download()
        leaving = asyncio.create_task(collect(pulls, old))
        await asyncio.sleep(0.02)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        new.allow(3)
        assert (await collect(pulls, new))[-1] == 3
        await pulls.aclose()
        assert old.was_stopped

    asyncio.run(run())


def test_the_server_s_end_tells_followers() -> None:
    async def run() -> None:
        pulls, download = Pulls(), Download()
        follower = asyncio.create_task(collect(pulls, download))
        await asyncio.sleep(0.02)
        await pulls.aclose()
        with pytest.raises(PullCancelled):
            await follower
        with pytest.raises(PullCancelled):
            await collect(pulls, download, "b")
        assert download.num_begun == 1

    asyncio.run(run())
