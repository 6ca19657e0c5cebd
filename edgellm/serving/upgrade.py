r"""Brings the model that suits this device while the built-in one answers, and then puts it first.

    planning -> asking -> fetching -> loading -> done
             \-> stays (nothing better fits, it may not be fetched, or nobody wants it)
             ... -> failed, and after a while from the beginning where another try may help

Decides when each step comes and what is told of it; how a model is chosen, wanted, fetched and
loaded, the caller says. The default model keeps answering until the new one is ready, and what it
is answering then, it answers to the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from edgellm.errors import DownloadFailed, EdgellmError, PullCancelled
from edgellm.serving.resolver import ServedModel
from edgellm.store.progress import Progress
from edgellm.types import UpgradeState, UpgradeStatus

logger = logging.getLogger(__name__)

RETRY_SECONDS = (30.0, 120.0, 600.0, 3600.0)  # after failures of the network; the last one repeats
STEP_PERCENT = 10  # of a download, that makes a line in the log


class Choice(Struct, frozen=True):
    """The model that would serve better. `reason` says why, for people."""

    name: str
    download_bytes: int | None  # None = not known; 0 = it is here
    reason: str = ""


class Stays(Struct, frozen=True):
    """The default stays what it is."""

    reason: str
    hint: str = ""


class Steps(Struct, frozen=True):
    """What an upgrade does. All but `may_fetch` and `adopt` block, and run in a thread.

    `fetch` brings what was chosen; it is given a function to call with its progress, and one to
    ask whether to stop.
    """

    choose: Callable[[], Choice | Stays]
    may_fetch: Callable[[Choice], Awaitable[Stays | None]]
    fetch: Callable[[Callable[[Progress], None], Callable[[], bool]], ServedModel]
    adopt: Callable[[ServedModel], Awaitable[None]]  # loads it, and makes it the default


class Upgrade:
    """One task of the server. `status` may be read at any time."""

    def __init__(self, steps: Steps, *, retry_seconds: tuple[float, ...] = RETRY_SECONDS) -> None:
        self.status = UpgradeStatus("planning")
        self._steps = steps
        self._retry_seconds = retry_seconds
        self._is_stopping = False
        self._told_percent = 0

    async def run(self) -> None:
        """Until it is done, or there is nothing to do. Cancelling it ends a download within
        seconds, which goes on at the next start."""
        num_failures = 0
        try:
            while await self._try():
                wait = self._retry_seconds[min(num_failures, len(self._retry_seconds) - 1)]
                num_failures += 1
                logger.info("the next try to fetch a model is in %.0f s", wait)
                await asyncio.sleep(wait)
        finally:
            self._is_stopping = True

    async def _try(self) -> bool:
        """Whether another try may help."""
        try:
            await self._go()
        except PullCancelled:
            return False
        except EdgellmError as error:
            logger.warning("%s %s", error.message, error.hint)
            self._tell("failed", error.message, error.hint)
            return isinstance(error, DownloadFailed)
        return False

    async def _go(self) -> None:
        steps = self._steps
        self._tell("planning")
        found = await asyncio.to_thread(steps.choose)
        if isinstance(found, Stays):
            self._stay(found)
            return
        self.status = UpgradeStatus(
            "asking", found.name, total_bytes=found.download_bytes, message=found.reason
        )
        if found.download_bytes != 0:
            refusal = await steps.may_fetch(found)
            if refusal is not None:
                self._stay(refusal)
                return
            logger.info("fetching %s in the background", found.name)
        self._tell("fetching", found.reason)
        model = await asyncio.to_thread(steps.fetch, self._show, lambda: self._is_stopping)
        self._tell("loading", found.reason)
        await steps.adopt(model)
        self._tell("done", found.reason)
        logger.info("%s answers from now on", found.name)

    def _stay(self, why: Stays) -> None:
        logger.info("%s %s", why.reason, why.hint)
        self._tell("stays", why.reason, why.hint)

    def _tell(self, state: UpgradeState, message: str = "", hint: str = "") -> None:
        self.status = replace(self.status, state=state, message=message, hint=hint)

    def _show(self, progress: Progress) -> None:
        """From the thread of the download: one assignment, which readers see whole."""
        self.status = replace(
            self.status,
            done_bytes=progress.done_bytes,
            total_bytes=progress.total_bytes or self.status.total_bytes,
            bytes_per_second=progress.bytes_per_second,
        )
        percent = self.status.percent or 0
        if progress.phase == "fetching" and percent >= self._told_percent + STEP_PERCENT:
            self._told_percent = percent - percent % STEP_PERCENT
            logger.info("fetching %s: %d %%", self.status.model, percent)
