"""One engine process: starts it, keeps it alive, and brings each request's frames to its caller.

States: stopped -> starting -> ready -> draining -> stopped, or crashed. After a crash a new process
goes on with the running requests (`InFlight`): it starts at once after a crash out of a healthy
life, later and later (`Backoff`) when it keeps dying. A model that cannot be loaded is not tried
again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import TypeVar, assert_never

import msgspec

from edgellm.errors import (
    EngineBusy,
    EngineCrashed,
    EngineError,
    EngineLoadError,
    NotEnoughMemory,
)
from edgellm.protocol import (
    Accepted,
    Cancel,
    Delta,
    Done,
    Failed,
    FrameBuffer,
    FromEngine,
    Generate,
    Load,
    ModelInfo,
    Progress,
    Question,
    Ranks,
    Ready,
    Reply,
    Shutdown,
    Stats,
    Texts,
    ToEngine,
    Tokens,
    Vectors,
    encode_frames,
)
from edgellm.serving.backoff import Backoff
from edgellm.serving.failures import engine_failure, request_failure
from edgellm.serving.in_flight import Answer, InFlight
from edgellm.serving.questions import Questions
from edgellm.types import Constraint, EngineState, EngineStats, Sampling

logger = logging.getLogger(__name__)

ENGINE_COMMAND = (sys.executable, "-m", "edgellm.engine")
# GNU OpenMP's threads spin while they wait for each other. Without an end to it, where something
# else wants the CPU too, one of them is always off it and the others burn their time: pocket with
# two threads fell to 13 tokens/s. Sleeping at once halves a 0.6B model on a quiet machine (29
# tokens/s instead of 57). 10,000 turns cost neither: 57 quiet, and 640 where there were 13.
ENGINE_ENVIRONMENT = {"GOMP_SPINCOUNT": "10000"}
SHUTDOWN_SECONDS = 10.0  # it may have prefixes to save
FAILED_STARTS = 3  # deaths in a row while it loads, after which nobody is kept waiting
STDERR_LINES = 30
READ_BYTES = 1 << 16

Found = TypeVar("Found", bound=Reply)


class EngineProcess:
    """A model and the child process that computes it."""

    def __init__(
        self,
        load: Load,
        command: Sequence[str] = ENGINE_COMMAND,
        backoff: Backoff | None = None,
        *,
        num_oom_kills: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Make a process, without starting it.

        Args:
            num_oom_kills: the system's counter of processes that it killed for memory, where it
                has one: it tells such an end from other kills.
        """
        self.state: EngineState = "stopped"
        self.progress = 0.0
        self.model: ModelInfo | None = None
        self.load_seconds = 0.0
        self.stats = EngineStats()
        self.error: EngineError | None = None  # why it is not ready; None while all is well
        self.last_crash: str | None = None
        self.num_restarts = 0
        self.pid: int | None = None
        self._load = load
        self._command = tuple(command)
        self._backoff = backoff or Backoff()
        self._num_oom_kills = num_oom_kills
        self._process: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._ids = itertools.count(1)
        self._in_flight = InFlight()
        self._questions = Questions()
        self._num_failed_starts = 0  # deaths in a row before it was ready
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)

    # -- for callers ----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load the model, unless that was begun already."""
        if self._life is None or self._life.done():
            self.state, self.error = "starting", None
            self._life = asyncio.create_task(self._live(), name=f"engine {self._load.path}")

    async def ensure_ready(self) -> ModelInfo:
        """The loaded model; starts the process if need be. Any number of callers start it once.

        Raises:
            EngineLoadError: the model cannot be loaded.
            EngineBusy: the server is shutting down.
        """
        if self.state == "ready" and self.model is not None:
            return self.model
        if self.state == "draining":
            raise EngineBusy("The server is shutting down.")
        self.start()
        async with self._changed:
            await self._changed.wait_for(self._is_settled)
        if self.state == "ready" and self.model is not None:
            return self.model
        raise self.error or EngineBusy("The server is shutting down.")

    async def generate(
        self,
        prompt: tuple[str | int, ...],
        sampling: Sampling,
        *,
        echo: bool = False,
        client: str = "",
        shown: tuple[str, ...] = (),
        constraint: Constraint | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """Complete a prompt: Accepted, any number of Delta, Done. Closing it cancels the work.

        When the engine dies on the way, the answer goes on after a pause. `shown` are texts of
        control tokens that the answer's text is to hold.

        Raises:
            RequestError: the prompt cannot be computed.
            EngineError: there is no engine, or this request has killed it twice.
        """
        await self.ensure_ready()
        id_ = next(self._ids)
        generate = Generate(id_, prompt, sampling, echo, client, shown=shown, constraint=constraint)
        request = self._in_flight.add(generate)
        is_over = False
        try:
            await self._send_due()
            while not is_over:
                answer = await request.answers.get()
                is_over = isinstance(answer, (Done, Exception))
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            if self._in_flight.drop(id_):
                self._write([Cancel(id_)])
            self._write_due()

    async def ask(self, question: Question, kind: type[Found]) -> Found:
        """The answer, a `kind`; the question's id does not matter. Cancelling the call cancels
        the work.

        Raises:
            RequestError: the question makes no sense to this model.
            EngineError: there is no engine, or two have died while they were asked.
        """
        await self.ensure_ready()
        id_ = next(self._ids)
        answer = self._questions.add(msgspec.structs.replace(question, id=id_))
        try:
            await self._send_due()
            reply = await answer
        finally:
            if self._questions.drop(id_):
                self._write([Cancel(id_)])
        assert isinstance(reply, kind), reply
        return reply

    async def aclose(self) -> None:
        """End the process: politely, then by force."""
        is_loading = self.state == "starting"  # it would not listen, and has nothing to save
        self._set_state("draining")
        process = None if is_loading else self._process
        if process is not None and process.returncode is None:
            self._write([Shutdown()])
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), SHUTDOWN_SECONDS)
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        self._set_state("stopped")
        await self._announce()

    # -- the process's life ---------------------------------------------------------------------

    async def _live(self) -> None:
        """Run processes one after the other until closed, or until loading fails for good."""
        while True:
            try:
                await self._run_once()
            except EngineLoadError as error:
                self._fail_all(error)
                self._set_state("crashed", error)
                await self._announce()
                if self.num_restarts:  # nobody may be waiting to be told
                    logger.error("%s %s", error.message, error.hint)
                return
            except EngineCrashed as error:
                if self.state == "draining":  # it did what it was told
                    self._fail_all(EngineBusy("The server is shutting down."))
                    return
                self._lose(error)
                self._set_state("crashed", error)
                await self._announce()
                delay = self._backoff.next_delay()
                logger.error("%s Starting a new one in %.1f s.", error.message, delay)
                await asyncio.sleep(delay)
                self.num_restarts += 1

    def _lose(self, error: EngineCrashed) -> None:
        """The process is dead: what becomes of the requests?"""
        self.last_crash = error.message
        self._num_failed_starts += self.state == "starting"
        if self._num_failed_starts >= FAILED_STARTS:
            self._fail_all(error)
        else:
            self._in_flight.died(error)
            self._questions.died(error)

    def _fail_all(self, error: EngineError) -> None:
        self._in_flight.fail_all(error)
        self._questions.fail_all(error)

    async def _run_once(self) -> None:
        """One process from start to end. Always raises: what ended it."""
        self._set_state("starting", self.error)
        self.progress, self.stats = 0.0, EngineStats()
        num_oom_kills = self._num_oom_kills()
        process = await self._spawn()
        drain = asyncio.create_task(self._drain_stderr(process))
        try:
            self._write([self._load])
            await self._read_frames(process)
            await process.wait()
            await drain
            if process.returncode == -9 and self._num_oom_kills() != num_oom_kills:
                self._raise_if_loading()
            raise EngineCrashed(*self._obituary(process.returncode))
        finally:
            self._process = self.pid = None
            if process.returncode is None:
                process.kill()
                await process.wait()
            drain.cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=self._environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise EngineLoadError(f"The engine process cannot be started: {error}.") from error
        self._process, self.pid = process, process.pid
        return process

    @staticmethod
    def _environment() -> dict[str, str]:
        """The engine tells all that it knows only where somebody reads it."""
        is_debug = logger.isEnabledFor(logging.DEBUG)
        return ENGINE_ENVIRONMENT | os.environ | {"EDGELLM_LOG_LEVEL": "debug" if is_debug else ""}

    async def _read_frames(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        frames = FrameBuffer()
        while data := await process.stdout.read(READ_BYTES):
            for message in frames.feed(data):
                await self._receive(message)

    async def _receive(self, message: FromEngine) -> None:
        match message:
            case Accepted() | Delta() | Done():
                self._backoff.prove()
                self._in_flight.take(message.id, message)
                self._write_due()
            case Failed():
                if message.id is None:
                    raise engine_failure(message)
                failure = request_failure(message)
                if not self._questions.take(message.id, failure):
                    self._in_flight.take(message.id, failure)
                self._write_due()
            case Tokens() | Texts() | Vectors() | Ranks():
                self._backoff.prove()
                self._questions.take(message.id, message)
            case Stats():
                self.stats = message.stats
            case Progress():
                self.progress = message.fraction
            case Ready():
                self.model, self.load_seconds = message.model, message.load_seconds
                self._backoff.start()
                self._num_failed_starts = 0
                self._set_state("ready")
                self._write_due()
                await self._announce()
            case _:
                assert_never(message)

    async def _drain_stderr(self, process: asyncio.subprocess.Process) -> None:
        """Always read, or the child blocks on a full pipe; remember the end for the obituary."""
        assert process.stderr is not None
        self._stderr.clear()
        while data := await process.stderr.read(READ_BYTES):
            for line in data.decode("utf-8", "replace").splitlines():
                self._stderr.append(line)
                logger.debug("engine: %s", line)

    def _raise_if_loading(self) -> None:
        """The kernel took the memory back. Loading it again would end the same way."""
        if self.state == "starting":
            raise NotEnoughMemory(
                f"The system killed the engine for memory while it loaded "
                f"{Path(self._load.path).name}.",
                "Choose a smaller model, quantisation or --context, or end other programs.",
            )

    def _obituary(self, status: int | None) -> tuple[str, str]:
        """The message and the hint for a process that ended by itself."""
        how = f"by signal {-status}" if status is not None and status < 0 else f"status {status}"
        message = f"The engine process died ({how})."
        if status == -9:  # it had no time for last words
            return message, "Signal 9 is often the kernel's out-of-memory killer: see dmesg."
        lines = [line for line in self._stderr if line.strip()]
        return message, f"Its last words: {' | '.join(lines[-3:])}" if lines else ""

    # -- small things ---------------------------------------------------------------------------

    def _is_settled(self) -> bool:
        """Whether there is nothing to wait for: it is ready, or it will not be soon."""
        is_given_up = self._life is None or self._life.done() or bool(self._life.cancelling())
        is_hopeless = self.state == "crashed" and (
            isinstance(self.error, EngineLoadError) or self._num_failed_starts >= FAILED_STARTS
        )
        return self.state == "ready" or is_hopeless or is_given_up or self.state == "draining"

    def _set_state(self, state: EngineState, error: EngineError | None = None) -> None:
        self.state, self.error = state, error

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _send_due(self) -> None:
        self._write_due()
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):  # the reader will tell what happened
                await self._process.stdin.drain()

    def _write_due(self) -> None:
        """Give the engine the requests that it should have by now."""
        if self.state == "ready" and (due := self._due()):
            self._write(due)

    def _due(self) -> list[ToEngine]:
        """Questions wait while it is tried which answer kills engines."""
        due: list[ToEngine] = [*self._in_flight.due()]
        return due if self._in_flight.has_suspects else [*due, *self._questions.due()]

    def _write(self, messages: Sequence[ToEngine]) -> None:
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(encode_frames(messages))
