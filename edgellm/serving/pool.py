"""Which models are in memory: loads them when requests want them, and unloads what has to leave.

Models that must be loaded wait in one line, in order. The head starts when there is room; idle
models leave for it, the least recently used first. Where all that could leave are busy, they go on
serving for `patience_seconds`; then those that would have to leave take no new requests, so that a
model is not overtaken for ever. What happens between two awaits is one step: there are no locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable

from msgspec import Struct

from edgellm.errors import (
    EngineBusy,
    EngineError,
    EngineLoadError,
    ModelBusy,
    ModelLoading,
    NotEnoughMemory,
)
from edgellm.protocol import ModelInfo
from edgellm.serving.entry import Entry
from edgellm.serving.load_time import LoadTimes, remaining_seconds
from edgellm.serving.meter import Meter
from edgellm.serving.room import Room
from edgellm.serving.waiting import Ticket, WaitingLine

logger = logging.getLogger(__name__)

MEASURE_SECONDS = 10.0  # between two looks at the memory of engines that are loaded
WATCH_SECONDS = 0.1  # the same while one loads: it may be killed at any time
SHUTTING_DOWN = "The server is shutting down."


class Policy(Struct, frozen=True):
    """How long things are waited for."""

    keep_alive_seconds: float = math.inf  # that an idle model stays; infinity = until it has to go
    patience_seconds: float = 5.0  # that busy models go on serving while another one waits
    wait_seconds: float = 300.0  # that a request waits for room in memory


class Pool:
    """Owns the memory that engines take. `use()` is how requests get at a model."""

    def __init__(self, policy: Policy, meter: Meter, clock: Callable[[], float] = time.monotonic):
        self.room = Room(meter)
        self._policy = policy
        self._meter = meter
        self._clock = clock
        self._line = WaitingLine()
        self._yielding: tuple[Entry, ...] = ()  # they take no new requests, for this ticket
        self._yielding_for: Ticket | None = None
        self._load_times = LoadTimes()
        self._loads: dict[Entry, asyncio.Task[EngineError | None]] = {}
        self._unloads: set[asyncio.Task[None]] = set()
        self._house: asyncio.Task[None] | None = None
        self._measured_at = 0.0
        self._woken = asyncio.Event()
        self._is_closed = False

    # -- for requests and administrators --------------------------------------------------------

    @contextlib.asynccontextmanager
    async def use(self, entry: Entry, *, may_wait: bool = True) -> AsyncIterator[ModelInfo]:
        """The loaded model, which stays loaded while the block runs.

        Raises:
            ModelLoading: it is not loaded, and the caller may not wait; it is being loaded now.
            EngineLoadError: it cannot be loaded, or does not fit into memory.
            EngineBusy: there was no room for too long, or the server is shutting down.
        """
        await self._enter(entry, may_wait)
        try:
            yield await self._loaded(entry)
        finally:
            self._leave(entry)

    def want(self, entry: Entry, *, may_evict: bool = True) -> None:
        """Load a model though nobody waits for it.

        Args:
            may_evict: as soon as there is room, others leave for it; otherwise now or not at all.
        """
        if not self._is_open(entry):
            ticket = self._line.join(entry, self._clock())
            ticket.is_wanted = True
            ticket.may_evict = ticket.may_evict or may_evict
            self._settle()

    async def unload(self, entry: Entry, *, must_wait: bool = False) -> None:
        """Unload a model now, pinned or not. Requests that come meanwhile load it again.

        Args:
            must_wait: for running requests; it takes no new ones until it is gone.

        Raises:
            ModelBusy: requests are running, and the caller does not want to wait.
        """
        if entry.num_requests and not must_wait:
            raise ModelBusy(entry.id, entry.num_requests)
        entry.is_pinned = False
        self._line.forget(entry)
        if entry.is_resident:
            entry.is_stopping = True
            entry.gone.clear()
            self._settle()
            await entry.gone.wait()

    def pin(self, entry: Entry, *, is_pinned: bool) -> None:
        """A pinned model never leaves by itself, nor for another one."""
        entry.is_pinned = is_pinned
        self._settle()

    def retire(self, entry: Entry) -> None:
        """Unload a model that nobody will ask for again, once it is idle."""
        self._line.forget(entry)
        entry.is_stopping = entry.is_resident
        self._settle()

    async def aclose(self) -> None:
        """End every engine; whoever waits is told. Safe to repeat."""
        self._is_closed = True
        self._line.refuse_all(EngineBusy(SHUTTING_DOWN))
        if self._house is not None:
            self._house.cancel()
        await asyncio.gather(*(entry.process.aclose() for entry in self.room.entries))
        ending = [*self._loads.values(), *self._unloads, *([self._house] if self._house else ())]
        await asyncio.gather(*ending, return_exceptions=True)
        for entry in self.room.entries.copy():
            self._drop(entry)

    def retry_seconds(self, entry: Entry, size_bytes: int) -> float:
        """When a model that is not ready should be."""
        began = entry.loading_since
        elapsed = 0.0 if began is None else self._clock() - began
        predicted = self._load_times.predict(str(entry.model.path), size_bytes)
        return remaining_seconds(predicted, elapsed, entry.process.progress if elapsed else 0.0)

    # -- in and out -----------------------------------------------------------------------------

    async def _enter(self, entry: Entry, may_wait: bool) -> None:
        """Count the request as one that uses the model; from then on the model cannot leave."""
        if self._is_closed:
            raise EngineBusy(SHUTTING_DOWN)
        if self._is_open(entry) and (may_wait or entry.process.state == "ready"):
            entry.begin()
            return
        self._raise_while_backing_off(entry)
        if may_wait:
            await self._wait_for_turn(entry)
            return
        if (refusal := self.room.refusal(entry)) is not None:
            raise refusal
        self.want(entry)
        raise ModelLoading(entry.id, self.retry_seconds(entry, entry.size_bytes or 0))

    async def _wait_for_turn(self, entry: Entry) -> None:
        ticket = self._line.join(entry, self._clock())
        turn = ticket.take()
        self._settle()
        try:
            await asyncio.wait({turn}, timeout=self._policy.wait_seconds)
        except asyncio.CancelledError:
            if turn.done() and turn.exception() is None:
                self._leave(entry)  # it was let in, and does not know
            raise
        finally:
            if not turn.done():
                self._line.withdraw(ticket, turn)
                self._settle()
        if not turn.done():
            raise EngineBusy(
                f"There was no room in memory for the model '{entry.id}' for "
                f"{self._policy.wait_seconds:.0f} s: the others are busy or pinned.",
                "Try again later, or let models take more memory with --memory-limit.",
            )
        turn.result()

    def _leave(self, entry: Entry) -> None:
        entry.end(self._clock())
        if not entry.num_requests:
            entry.measure(self._meter)
        self._settle()

    async def _loaded(self, entry: Entry) -> ModelInfo:
        load = self._loads.get(entry)
        failure = await asyncio.shield(load) if load is not None else None
        if failure is not None:
            raise failure
        try:
            return await entry.process.ensure_ready()
        except EngineLoadError as error:  # it had died, and could not be started again
            self._note_failure(entry, error)
            raise

    def _is_open(self, entry: Entry) -> bool:
        """Whether requests may go straight to its engine."""
        is_closing = entry.is_leaving or entry.is_stopping or entry in self._yielding
        return entry.is_resident and not is_closing

    # -- who may load ---------------------------------------------------------------------------

    def _settle(self) -> None:
        """Do all that can be done now: unload what is due, and load what waits."""
        if self._is_closed:
            return
        if self._house is None:
            self._house = asyncio.create_task(self._keep_house())
        now = self._clock()
        for entry in self.room.entries:
            is_due = entry.is_stopping or entry.expires_at() <= now
            if is_due and not entry.num_requests:
                self._begin_unload(entry)
        while (head := self._line.head) is not None and self._serve(head):
            self._line.pop()
        if self._yielding_for is not head:
            self._yielding, self._yielding_for = (), None
        self._woken.set()

    def _serve(self, ticket: Ticket) -> bool:
        """Whether the head of the line has got its answer."""
        entry = ticket.entry
        if entry.is_leaving or entry.is_stopping:
            return False
        if not entry.is_resident:
            refusal = self.room.refusal(entry)
            if refusal is not None:
                entry.failure = refusal
                ticket.refuse(refusal)
                return True
            if not ticket.may_evict and not self.room.is_free(entry):
                logger.warning("%s is not preloaded: there is no room beside the others", entry.id)
                return True
            self._make_room(ticket)
            if not self.room.is_free(entry):
                return False
            self._begin_load(entry)
        ticket.admit()
        return True

    def _make_room(self, ticket: Ticket) -> None:
        leavers = self.room.leavers(ticket.entry)
        is_late = leavers is None and self._clock() >= self._late_at(ticket)
        if is_late and not self._is_yielded_to(ticket):
            self._yielding_for = ticket
            self._yielding = self.room.yielders(ticket.entry)
        self._unload_all(leavers or (), f"to make room for {ticket.entry.id}")

    def _late_at(self, ticket: Ticket) -> float:
        return ticket.since + self._policy.patience_seconds

    def _is_yielded_to(self, ticket: Ticket) -> bool:
        """Those that were chosen to yield stay the ones, as long as they can leave at all."""
        can_leave = all(entry.is_resident and not entry.is_pinned for entry in self._yielding)
        return self._yielding_for is ticket and bool(self._yielding) and can_leave

    # -- loading --------------------------------------------------------------------------------

    def _begin_load(self, entry: Entry) -> None:
        entry.is_resident, entry.is_used = True, False
        entry.loading_since = self._clock()
        self.room.entries.append(entry)
        room_bytes = self.room.free_bytes(entry)
        entry.process.start()
        self._loads[entry] = asyncio.create_task(self._load(entry, room_bytes))

    async def _load(self, entry: Entry, room_bytes: int | None) -> EngineError | None:
        """See a load to its end; what it failed with is for everyone who waits for it."""
        watching = asyncio.create_task(self._watch(entry))
        try:
            self._note_loaded(entry, await entry.process.ensure_ready())
        except EngineError as error:
            if entry.is_leaving or self._is_closed:  # it did not fail
                return error
            if isinstance(error, NotEnoughMemory) and room_bytes is not None:
                entry.note_killed(room_bytes)
            await entry.process.aclose()
            self._note_failure(entry, error)
            return error
        finally:
            watching.cancel()
            entry.loading_since = None
            del self._loads[entry]
            self._settle()
        return None

    async def _watch(self, entry: Entry) -> None:
        """The peak of a process that is killed can only be seen before."""
        while True:
            entry.measure(self._meter)
            await asyncio.sleep(WATCH_SECONDS)

    def _note_loaded(self, entry: Entry, info: ModelInfo) -> None:
        now = self._clock()
        entry.last_used = now
        entry.note_ready(info)
        entry.measure(self._meter)
        if entry.loading_since is not None and entry.size_bytes:
            seconds = now - entry.loading_since
            self._load_times.learn(str(entry.model.path), entry.size_bytes, seconds)
        for warning in entry.warnings:
            logger.warning("%s: %s", entry.id, warning)

    def _note_failure(self, entry: Entry, error: EngineError) -> None:
        """It may be tried again later, and later still when it keeps failing."""
        entry.failure = error
        entry.retry_at = self._clock() + entry.backoff.next_delay()
        logger.error("%s: %s %s", entry.id, error.message, error.hint)
        self._drop(entry)

    def _raise_while_backing_off(self, entry: Entry) -> None:
        seconds = entry.retry_at - self._clock()
        if entry.failure is not None and seconds > 0:
            hint = f"{entry.failure.hint} It will be tried again in {math.ceil(seconds)} s."
            raise type(entry.failure)(entry.failure.message, hint.strip())

    # -- unloading ------------------------------------------------------------------------------

    def _unload_all(self, entries: Iterable[Entry], why: str) -> None:
        for entry in entries:
            logger.info("unloading %s %s", entry.id, why)
            self._begin_unload(entry)

    def _begin_unload(self, entry: Entry) -> None:
        if not entry.is_leaving:
            entry.is_leaving = True
            task = asyncio.create_task(self._unload(entry))
            self._unloads.add(task)
            task.add_done_callback(self._unloads.discard)

    async def _unload(self, entry: Entry) -> None:
        entry.measure(self._meter)
        await entry.process.aclose()
        if entry.process.model is not None and entry.peak_bytes:
            self._meter.on_measured(entry.model, entry.options, entry.peak_bytes)
        self._drop(entry)
        self._settle()

    def _drop(self, entry: Entry) -> None:
        """Its memory is free."""
        entry.is_resident = entry.is_leaving = entry.is_stopping = False
        entry.gone.set()
        if entry in self.room.entries:
            self.room.entries.remove(entry)

    # -- what nobody tells ----------------------------------------------------------------------

    async def _keep_house(self) -> None:
        """Notice that time has passed, and that engines have grown or ended."""
        while True:
            is_due = await self._nap()
            if self._clock() - self._measured_at >= MEASURE_SECONDS:
                self._measured_at = self._clock()
                self._look_after_engines()
            if is_due:
                self._settle()

    def _look_after_engines(self) -> None:
        for entry in self.room.entries.copy():
            entry.measure(self._meter)
            has_ended = entry.process.state == "crashed" and not entry.is_loading
            if has_ended and isinstance(entry.process.error, EngineLoadError):
                self._note_failure(entry, entry.process.error)
        self._unload_all(self.room.surplus(), "because the models take more memory than they may")

    async def _nap(self) -> bool:
        """Until something may have changed; True when it is the time that has."""
        self._woken.clear()
        seconds = self._seconds_to_next()
        try:
            async with asyncio.timeout(seconds if math.isfinite(seconds) else None):
                await self._woken.wait()
        except TimeoutError:
            return True
        return False

    def _seconds_to_next(self) -> float:
        due = [entry.expires_at() for entry in self.room.entries]
        if self.room.entries:
            due.append(self._measured_at + MEASURE_SECONDS)
        head = self._line.head
        now = self._clock()
        if head is not None and self._late_at(head) > now:
            due.append(self._late_at(head))
        return max(0.01, min(due, default=math.inf) - now)
