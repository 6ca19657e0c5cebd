"""Where all requests pass on their way to the router, whatever dialect they came in: lets them in
or not (`admission.py`), watches their answers, and counts (`tally.py`).

Knows no HTTP.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

from edgellm.errors import DeadlineExceeded, ModelNotFound, QueueFull
from edgellm.serving.admission import QUEUE_LIMIT, Admission, Seat
from edgellm.serving.router import Router
from edgellm.serving.tally import ModelTally, Outcome, Progress, Refusal, Tally
from edgellm.types import Event, Finished, GenerateRequest, ModelStatus, Started


class Desk:
    """One for each server; it has a queue for each model."""

    def __init__(
        self,
        router: Router,
        queue_limit: int = QUEUE_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = Tally()
        self.queue_limit = queue_limit
        self.clock = clock
        self.router = router
        self._queues: dict[str, Admission] = {}

    def admit(self, requests: Sequence[GenerateRequest]) -> Visit:
        """Let in the answers to one request, which are for the same model, or none of them.

        Raises:
            ModelNotFound
            QueueFull: too many answers wait.
            DeadlineExceeded: they would not be done in time.
        """
        status, queue, seats = self._seat(requests)
        return Visit(self, queue, status, list(zip(requests, seats, strict=True)))

    @contextlib.contextmanager
    def hold(self, requests: Sequence[GenerateRequest]) -> Iterator[None]:
        """Places for work that is no answer, such as embeddings, while the block runs. Raises as
        `admit` does.

        Args:
            requests: what it is like: whose it is, the prompt, `max_tokens` 1.
        """
        _, queue, seats = self._seat(requests)
        try:
            yield
        finally:
            for seat in seats:
                queue.leave(seat)

    def num_seats(self, model: str) -> int:
        """Answers under way, running and waiting, of the model with that id."""
        return self._queues[model].num_seats if model in self._queues else 0

    def tally_of(self, status: ModelStatus) -> ModelTally:
        return self.tally.of(status.id, status.version)

    def _seat(
        self, requests: Sequence[GenerateRequest]
    ) -> tuple[ModelStatus, Admission, tuple[Seat, ...]]:
        status = self.router.status(requests[0].model)
        queue = self._queue(status.id)
        try:
            return status, queue, queue.admit(requests, status.parallel or 1)
        except (QueueFull, DeadlineExceeded) as error:
            self.tally_of(status).refusals[_refusal(error)] += 1
            raise

    def _queue(self, model: str) -> Admission:
        if model not in self._queues:
            self._queues[model] = Admission(self.queue_limit)
        return self._queues[model]


class Visit:
    """The answers to one request that was let in. Always end with `close()`, when each generator
    has ended or will not be begun."""

    def __init__(
        self,
        desk: Desk,
        queue: Admission,
        status: ModelStatus,
        seated: Sequence[tuple[GenerateRequest, Seat]],
    ) -> None:
        self._desk = desk
        self._queue = queue
        self._status = status
        self._asked_at = desk.clock()
        self._deadline_seconds = seated[0][0].deadline_seconds
        self._open = {seat for _, seat in seated}
        self._has_failed = False
        self.generators = [self._answer(request, seat) for request, seat in seated]

    def close(self) -> None:
        """Give back the places of answers that did not come to an end. Safe to repeat."""
        is_left = bool(self._open) and not self._has_failed and not self._is_late()
        if is_left:
            self._tally().num_disconnects += 1
        for seat in self._open.copy():
            self._leave(seat, "cancelled")

    async def _answer(self, request: GenerateRequest, seat: Seat) -> AsyncGenerator[Event, None]:
        """The router's events, looked at."""
        clock, progress = self._desk.clock, Progress(self._asked_at)
        tally = self._tally()
        outcome: Outcome = "cancelled"
        try:
            async with contextlib.aclosing(self._desk.router.generate(request)) as events:
                async for event in events:
                    match event:
                        case Started():
                            tally = self._begin(seat, event)
                        case Finished():
                            outcome = event.reason
                            self._queue.pace.learn(event)
                            progress.finish(tally, event, clock())
                        case _:
                            seat.num_tokens += 1
                            progress.content(tally, clock())
                    yield event
            if outcome == "cancelled":  # it has ended without an end, and will be an error
                outcome, self._has_failed = "error", True
        except Exception:
            outcome, self._has_failed = "error", True
            raise
        finally:
            if outcome != "cancelled":  # otherwise `close()` tells why
                self._leave(seat, outcome)

    def _begin(self, seat: Seat, started: Started) -> ModelTally:
        """The model is loaded now, so its version is known, and so is the prompt's length."""
        seat.num_prompt_tokens = started.prompt_tokens
        with contextlib.suppress(ModelNotFound):  # its file has gone, but it still answers
            self._status = self._desk.router.status(self._status.id)
        return self._tally()

    def _leave(self, seat: Seat, outcome: Outcome) -> None:
        if seat in self._open:
            self._open.discard(seat)
            self._queue.leave(seat)
            late = outcome == "cancelled" and self._is_late()
            self._tally().outcomes["deadline" if late else outcome] += 1

    def _is_late(self) -> bool:
        seconds = self._deadline_seconds
        return seconds is not None and self._desk.clock() - self._asked_at >= seconds

    def _tally(self) -> ModelTally:
        return self._desk.tally_of(self._status)


def _refusal(error: QueueFull | DeadlineExceeded) -> Refusal:
    if isinstance(error, DeadlineExceeded):
        return "deadline"
    return "client_share" if error.is_share else "queue_full"
