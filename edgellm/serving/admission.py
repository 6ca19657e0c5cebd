"""Who may still join the queue of a model, and when the others should come again.

Nobody is refused while a slot is free, nor a request for more answers than could ever wait when
nobody does. Otherwise at most `queue_limit` answers wait, and of one client at most `SHARE` times
as many as places are left: alone it gets three quarters of the queue, and whoever comes next still
finds room (the dynamic thresholds of switches' shared buffers, Choudhury and Hahne 1998). Nobody
who was let in is turned out again: a stream may have begun.

Counts answers, not requests (`n` of them at once). Knows no engine: how many slots there are, it is
told; what a refusal costs is this file and nothing more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edgellm.errors import DeadlineExceeded, QueueFull
from edgellm.serving.forecast import (
    UNKNOWN_RETRY_SECONDS,
    Job,
    fair_slots,
    forecast,
    seconds_until_left,
)
from edgellm.serving.pace import Pace
from edgellm.types import GenerateRequest

# Waiting costs the server little memory, so the limit is one of patience: with 4 slots, 64 is 16
# answers one after the other. Whoever would wait longer should hear so, and ask elsewhere.
QUEUE_LIMIT = 64
SHARE = 3
CHARS_PER_TOKEN = 4  # of a prompt that nobody has tokenised yet


class Seat:
    """An answer under way. Mutable; `num_prompt_tokens` is a guess until the engine has told."""

    def __init__(self, request: GenerateRequest, num_expected_tokens: int) -> None:
        self.client = request.client
        self.num_prompt_tokens = guess_prompt_tokens(request)
        self.num_expected_tokens = num_expected_tokens
        self.num_tokens = 0  # of the answer, so far

    def job(self, pace: Pace) -> Job:
        left = max(1, self.num_expected_tokens - self.num_tokens)
        prefill = 0.0 if self.num_tokens else pace.prefill_seconds(self.num_prompt_tokens)
        return Job(self.client, prefill, pace.decode_seconds(left), self.num_tokens > 0)


class Admission:
    """The queue of one model. What happens between two awaits is one step: there are no locks."""

    def __init__(self, queue_limit: int = QUEUE_LIMIT) -> None:
        self.queue_limit = queue_limit
        self.pace = Pace()
        self._seats: dict[Seat, None] = {}  # in the order in which they came

    @property
    def num_seats(self) -> int:
        """Answers under way, running and waiting."""
        return len(self._seats)

    def admit(self, requests: Sequence[GenerateRequest], num_slots: int) -> tuple[Seat, ...]:
        """Places for all of them, or for none; they have the same client and deadline.

        Raises:
            QueueFull: come again later.
            DeadlineExceeded: they would not be done in time, so they are not begun.
        """
        self._check_room(requests, num_slots)
        seats = tuple(Seat(each, self.pace.expected_tokens(each.sampling)) for each in requests)
        deadline = requests[0].deadline_seconds
        if deadline is not None and self.pace.is_known:
            self._check_deadline(seats, requests, num_slots, deadline)
        self._seats.update(dict.fromkeys(seats))
        return seats

    def leave(self, seat: Seat) -> None:
        """The answer is over. Safe to repeat."""
        self._seats.pop(seat, None)

    # -- inside ---------------------------------------------------------------------------------

    def _check_room(self, requests: Sequence[GenerateRequest], num_slots: int) -> None:
        num, client = len(requests), requests[0].client
        num_waiting = max(0, self.num_seats - num_slots)
        num_more = max(0, self.num_seats + num - num_slots) - num_waiting  # that would wait
        is_too_large = num > num_slots + self.queue_limit  # even for an idle model
        if not num_more or (is_too_large and not num_waiting):
            return
        num_left = self.queue_limit - num_waiting
        if num_more > num_left:
            num_to_leave = num_waiting if is_too_large else num_more - num_left
            seconds = self._seconds_until_left(num_to_leave, num_slots)
            raise QueueFull(self.queue_limit, seconds)
        own = Counter(seat.client for seat in self._seats)
        num_own = own[client] - fair_slots(own, num_slots).get(client, 0)
        if num_own and num_own + num_more > SHARE * num_left:
            seconds = self._seconds_until_left(num_more, num_slots, client)
            raise QueueFull(self.queue_limit, seconds, num_own=num_own)

    def _seconds_until_left(self, num: int, num_slots: int, client: str | None = None) -> float:
        """When that many answers will be done; with `client`, that many of its."""
        if not self.pace.is_known:
            return UNKNOWN_RETRY_SECONDS
        spans = forecast(self._jobs(), num_slots)
        pairs = zip(self._seats, spans, strict=True)
        return seconds_until_left(
            [span for seat, span in pairs if client in (None, seat.client)], num
        )

    def _check_deadline(
        self,
        seats: Sequence[Seat],
        requests: Sequence[GenerateRequest],
        num_slots: int,
        deadline_seconds: float,
    ) -> None:
        """What is not known counts for nothing (a model that still loads): only who cannot be
        served in time by all that is known is sent away."""
        spans = forecast([*self._jobs(), *(seat.job(self.pace) for seat in seats)], num_slots)
        needed = [*map(self._needed_seconds, seats, requests)]
        starts = [span.start for span in spans[-len(seats) :]]
        ends = [sum(pair) for pair in zip(starts, needed, strict=True)]
        if (late := max(ends) - deadline_seconds) > 0:
            can_be_met = max(needed) <= deadline_seconds
            raise DeadlineExceeded(
                deadline_seconds,
                expected_seconds=max(ends),
                retry_seconds=late if can_be_met else None,
            )

    def _needed_seconds(self, seat: Seat, request: GenerateRequest) -> float:
        """From its slot to what the deadline asks for: all of an answer whose length the client
        has set, or the first token."""
        num_tokens = 1 if request.sampling.max_tokens is None else seat.num_expected_tokens
        prefill = self.pace.prefill_seconds(seat.num_prompt_tokens)
        return prefill + self.pace.decode_seconds(num_tokens)

    def _jobs(self) -> list[Job]:
        return [seat.job(self.pace) for seat in self._seats]


def guess_prompt_tokens(request: GenerateRequest) -> int:
    """Of a prompt that nobody has tokenised yet."""
    if isinstance(request.prompt, tuple):
        return len(request.prompt)
    if request.prompt is not None:
        return len(request.prompt) // CHARS_PER_TOKEN + 1
    return sum(len(turn.content) for turn in request.messages) // CHARS_PER_TOKEN + 1
