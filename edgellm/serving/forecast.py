"""When the answers of one model will be done: the engine's queue, played through beforehand.

Pure. Each slot works at the speed that answers had of late, so what several answers cost each other
is in it already. Whose turn it is is decided as `engine/scheduler.py` does: the oldest of the
client that runs the fewest.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from msgspec import Struct

UNKNOWN_RETRY_SECONDS = 2.0  # before anything was measured: soon, and not all at the same moment


class Job(Struct, frozen=True):
    """An answer that is not done yet, and what is left of it."""

    client: str
    prefill_seconds: float
    decode_seconds: float
    has_begun: bool = False  # it has a slot

    @property
    def seconds(self) -> float:
        return self.prefill_seconds + self.decode_seconds


class Span(Struct, frozen=True):
    """Seconds from now."""

    start: float
    end: float


def forecast(jobs: Sequence[Job], num_slots: int) -> tuple[Span, ...]:
    """When each job gets a slot and when it leaves it.

    Args:
        jobs: in the order in which they came.
        num_slots: at least one.
    """
    spans: dict[int, Span] = {}
    busy: list[tuple[float, int]] = []  # a heap of (end, job)
    running: Counter[str] = Counter()
    waiting: dict[str, deque[int]] = {}
    now = 0.0

    def begin(index: int) -> None:
        job = jobs[index]
        spans[index] = Span(now, now + job.seconds)
        running[job.client] += 1
        heapq.heappush(busy, (spans[index].end, index))

    for index, job in enumerate(jobs):
        if job.has_begun:
            begin(index)
        else:
            waiting.setdefault(job.client, deque()).append(index)
    while waiting:
        while busy and (len(busy) >= num_slots or busy[0][0] <= now):
            now, done = heapq.heappop(busy)
            running[jobs[done].client] -= 1
        client = min(waiting, key=lambda name: (running[name], waiting[name][0]))
        begin(waiting[client].popleft())
        if not waiting[client]:
            del waiting[client]
    return tuple(spans[index] for index in range(len(jobs)))


def seconds_until_left(spans: Sequence[Span], num: int) -> float:
    """When that many of them will have been done; zero for none of them."""
    if num <= 0 or not spans:
        return 0.0
    return sorted(span.end for span in spans)[min(num, len(spans)) - 1]


def fair_slots(counts: Mapping[str, int], num_slots: int) -> dict[str, int]:
    """How many slots each client's answers take when clients take turns (max-min fairness).

    Args:
        counts: answers of each client, running and waiting.
    """
    slots = dict.fromkeys(counts, 0)
    left, hungry = num_slots, [client for client in counts if counts[client] > 0]
    while left > 0 and hungry:
        share = max(1, left // len(hungry))
        for client in hungry[:left]:
            given = min(share, counts[client] - slots[client], left)
            slots[client] += given
            left -= given
        hungry = [client for client in hungry if slots[client] < counts[client]]
    return slots
