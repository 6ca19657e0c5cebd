"""The built-in model answers until the planned one is there; nothing goes wrong for good."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.errors import DigestMismatch, DownloadFailed, EngineLoadError, PullCancelled
from edgellm.serving.resolver import ServedModel
from edgellm.serving.upgrade import Choice, Stays, Steps, Upgrade
from edgellm.store.progress import Progress

MODEL = ServedModel("big", Path("/models/big.gguf"))
CHOICE = Choice("big:Q4_K_M", 1000, "the best that fits")


class World:
    """Remembers what was done."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.failures: list[Exception] = []
        self.refusal: Stays | None = None
        self.found: Choice | Stays = CHOICE
        self.load_error: Exception | None = None

    @property
    def steps(self) -> Steps:
        return Steps(self.choose, self.may_fetch, self.fetch, self.adopt)

    def choose(self) -> Choice | Stays:
        self.log.append("choose")
        return self.found

    async def may_fetch(self, choice: Choice) -> Stays | None:
        self.log.append(f"ask {choice.name}")
        return self.refusal

    def fetch(
        self, show: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> ServedModel:
        self.log.append("fetch")
        assert not should_stop()
        for done in (0, 240, 260, 1000):
            show(Progress("fetching", done, 1000, 50.0))
        if self.failures:
            raise self.failures.pop(0)
        return MODEL

    async def adopt(self, model: ServedModel) -> None:
        self.log.append(f"adopt {model.id}")
        if self.load_error:
            raise self.load_error


def run(world: World) -> Upgrade:
    upgrade = Upgrade(world.steps, retry_seconds=(0.0, 0.01))
    asyncio.run(upgrade.run())
    return upgrade


def test_the_planned_model_is_fetched_and_put_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    status = run(world).status
    assert world.log == ["choose", "ask big:Q4_K_M", "fetch", "adopt big"]
    assert (status.state, status.model, status.percent) == ("done", "big:Q4_K_M", 100)
    assert (status.message, status.bytes_per_second) == ("the best that fits", 50.0)
    told = [line for line in caplog.messages if "%" in line]
    assert told == ["fetching big:Q4_K_M: 24 %", "fetching big:Q4_K_M: 100 %"]


def test_what_is_here_needs_no_consent() -> None:
    world = World()
    world.found = replace(CHOICE, download_bytes=0)
    assert run(world).status.state == "done"
    assert "ask big:Q4_K_M" not in world.log


@pytest.mark.parametrize("when", ["planned", "asked"])
def test_it_stays_and_says_why(when: str) -> None:
    world = World()
    why = Stays("Offline.", "edgellm pull big")
    if when == "planned":
        world.found = why
    else:
        world.refusal = why
    status = run(world).status
    assert (status.state, status.message, status.hint) == ("stays", why.reason, why.hint)
    assert not any(line.startswith(("fetch", "adopt")) for line in world.log)


def test_the_network_gets_more_tries() -> None:
    world = World()
    world.failures = [DownloadFailed("It broke."), DownloadFailed("It broke again.")]
    assert run(world).status.state == "done"
    assert world.log.count("fetch") == 3


@pytest.mark.parametrize("error", [DigestMismatch("Wrong.", "Tell them."), EngineLoadError("No.")])
def test_what_another_try_would_not_mend_fails_once(error: Exception) -> None:
    world = World()
    if isinstance(error, EngineLoadError):
        world.load_error = error
    else:
        world.failures = [error]
    status = run(world).status
    assert (status.state, world.log.count("choose")) == ("failed", 1)
    assert status.message in {"Wrong.", "No."}


def test_a_stop_ends_the_download() -> None:
    world = World()
    began, ended = threading.Event(), threading.Event()

    def fetch(_show: Callable[[Progress], None], should_stop: Callable[[], bool]) -> ServedModel:
        began.set()
        while not should_stop():
            time.sleep(0.001)
        ended.set()
        raise PullCancelled("Stopped.")

    async def main() -> None:
        upgrade = Upgrade(replace(world.steps, fetch=fetch))
        task = asyncio.create_task(upgrade.run())
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(ended.wait, 5)

    asyncio.run(main())
