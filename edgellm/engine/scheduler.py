"""Decides what is computed next: running answers first, then prompts in the order they came.

Pure bookkeeping: knows no runtime, no clock and no pipe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from edgellm.backends.base import Limits, Sampled, Work
from edgellm.engine.sequence import Sequence


class Scheduler:
    """Sequences wait in a queue, run in a slot, and leave it when they are done."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free_slots = list(range(limits.num_slots - 1, -1, -1))
        self.waiting: deque[Sequence] = deque()
        self.running: dict[int, Sequence] = {}  # by slot, oldest first

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence."""
        self.waiting.append(sequence)

    def admit(self) -> list[Sequence]:
        """Give free slots to those that wait longest; the caller must `begin` each."""
        admitted = []
        while self.waiting and self._free_slots:
            sequence = self.waiting.popleft()
            sequence.start(self._free_slots.pop())
            assert sequence.slot is not None
            self.running[sequence.slot] = sequence
            admitted.append(sequence)
        return admitted

    def schedule(self) -> list[Work]:
        """One step's work, within the batch limit: decode first, then prefill in chunks."""
        budget, work = self._limits.batch_tokens, []
        for sequence in self._by_urgency():
            count = min(budget, sequence.num_pending)
            if not count:
                break
            budget -= count
            work.append(_next_work(sequence, count))
        return work

    def commit(self, work: list[Work], sampled: list[Sampled | None]) -> Iterator[Sequence]:
        """Take over a step's results; gives each sequence that has a new token, with it."""
        for item, result in zip(work, sampled, strict=True):
            sequence = self.running[item.slot]
            sequence.num_computed += len(item.tokens)
            if result is not None:
                sequence.append(result.token)
                yield sequence

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, wherever it is."""
        if sequence.slot is None:
            self.waiting.remove(sequence)
            return
        del self.running[sequence.slot]
        self._free_slots.append(sequence.slot)
        sequence.slot = None

    def youngest(self) -> Sequence:
        """The running sequence that came last."""
        return next(reversed(self.running.values()))

    def _by_urgency(self) -> list[Sequence]:
        return sorted(self.running.values(), key=lambda sequence: not sequence.is_decoding)


def _next_work(sequence: Sequence, count: int) -> Work:
    assert sequence.slot is not None
    begin, end = sequence.num_computed, sequence.num_computed + count
    return Work(sequence.slot, begin, sequence.tokens[begin:end], end == len(sequence.tokens))
