"""Decides what is computed next, and who must wait for whom.

Running answers come first, then prompts; but answers whose prompts came together begin together,
since a step with all of them costs little more than a step with one. Clients take turns, whose
requests queue in the order they came. A prompt that begins like one that is still being computed
follows it and computes only the rest. When the KV cache is full, the youngest sequence steps back
into the queue and goes on later, where it was. Knows no runtime, no clock and no pipe.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from collections.abc import Sequence as Tokens
from typing import Protocol

from edgellm.backends.base import Limits, Sampled, Work
from edgellm.engine.guesser import Guesser
from edgellm.engine.kv_cache import KVCache
from edgellm.engine.look_ahead import LookAhead
from edgellm.engine.sequence import Sequence
from edgellm.engine.speculation import Guesses

PATIENCE_SECONDS = 12.0  # that an answer waits after its first token for those that came with it


class Speed(Protocol):
    """What is known of the speed of prefill (`Pace`)."""

    def budget(self, *, is_anyone_decoding: bool) -> int:
        """Tokens of prompts for the next step."""

    def seconds(self, num_tokens: int) -> float:
        """What it takes to compute a prompt of that length."""


class Scheduler:
    """Sequences wait in a queue, run in a slot, and leave it when they are done."""

    def __init__(
        self,
        limits: Limits,
        cache: KVCache,
        guesser: Guesser | None = None,
        look_ahead: LookAhead | None = None,
    ) -> None:
        """Make one without sequences.

        Args:
            guesser: decides how much is guessed; None = nothing is.
            look_ahead: knows what must come next; None = nothing does.
        """
        self._limits = limits
        self._cache = cache
        self._guesser = guesser
        self._look_ahead = look_ahead
        self.waiting: deque[Sequence] = deque()
        self.running: dict[int, Sequence] = {}  # by slot, oldest first

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence."""
        self.waiting.append(sequence)

    def schedule(self, speed: Speed) -> list[Work]:
        """One step's work: every running answer's next token, then prompts in chunks."""
        self._admit()
        guesses = self._grow(self._guess())
        decoding = self._decoding(speed)
        if decoding:  # not while there are only prompts: their first token would come later
            self._cache.tidy()
        work = [_next_work(each, 1, guesses.get(each.id, [])) for each in decoding]
        budget = min(
            speed.budget(is_anyone_decoding=bool(decoding)),
            self._limits.batch_tokens - sum(len(w.tokens) for w in work),
        )
        for sequence in self.running.values():
            if sequence.is_decoding or not self._catch_up(sequence):
                continue
            count = min(budget, sequence.num_pending)
            if not count:
                break
            count = self._up_to_checkpoint(sequence, count)
            budget -= count
            work.append(_next_work(sequence, count))
        return work

    def commit(
        self, work: list[Work], sampled: list[list[Sampled]]
    ) -> Iterator[tuple[Sequence, Sampled]]:
        """Take over a step's results; gives each new token, which may end its sequence."""
        for item, results in zip(work, sampled, strict=True):
            sequence = self.running[item.slot]
            num_kept = max(0, len(results) - 1)
            num_wrong = item.num_guessed - num_kept
            sequence.num_computed += len(item.tokens) - num_wrong
            if item.sampler is None:  # inside of a prompt
                self._cache.checkpoint(item.slot, sequence.num_computed)
            if num_wrong:
                self._cache.truncate(item.slot, sequence.num_computed, num_wrong)
            if item.num_guessed:
                self._observe(sequence, item.num_guessed, num_kept)
            for result in results:
                sequence.append(result.token)
                yield sequence, result
                if sequence.slot is None:
                    break

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, wherever it is; what it computed stays for others."""
        if sequence.slot is None:
            self.waiting.remove(sequence)
        else:
            self._leave_slot(sequence)

    def make_room(self) -> Sequence | None:
        """The KV cache was full after all: give something up.

        Returns:
            The sequence that cannot be computed even alone, if it has come to that.
        """
        if self._cache.evict():
            return None
        if len(self.running) > 1:
            self._preempt()
            return None
        return next(iter(self.running.values()), None)

    # -- inside ---------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Let in those whose turn it is, as far as there is room for their tokens."""
        while self.waiting and len(self.running) < self._limits.parallel:
            sequence = self._next_waiting()
            num_computed = {slot: each.num_computed for slot, each in self.running.items()}
            acquired = self._cache.acquire(sequence.tokens, len(self.running) + 1, num_computed)
            if acquired is None:
                return
            self.waiting.remove(sequence)
            sequence.start(acquired.slot)
            self.running[acquired.slot] = sequence
            leader = self.running[acquired.leader] if acquired.leader is not None else None
            sequence.share(leader, acquired.num_shared)

    def _next_waiting(self) -> Sequence:
        """One that had to step back, else the oldest of the client that runs the fewest."""
        first = self.waiting[0]
        if first.num_generated:
            return first
        num_running = Counter(sequence.client for sequence in self.running.values())
        return min(self.waiting, key=lambda sequence: num_running[sequence.client])

    def _decoding(self, speed: Speed) -> list[Sequence]:
        """The answers that get a token now: all, or none while they wait for their companions."""
        decoding = [each for each in self.running.values() if each.is_decoding]
        prefilling = [each for each in self.running.values() if not each.is_decoding]
        num_tokens = sum(each.num_pending for each in prefilling)
        is_worth_waiting = speed.seconds(num_tokens) <= PATIENCE_SECONDS
        for sequence in decoding:
            sequence.meet(prefilling if is_worth_waiting else [])
        return [] if prefilling and all(each.is_waiting for each in decoding) else decoding

    def _guess(self) -> Guesses:
        """What to check beside the next tokens, by sequence. Not while prompts are computed."""
        running = self.running.values()
        if not self._limits.can_cut or not all(sequence.is_decoding for sequence in running):
            return {}
        room = self._limits.outputs - len(running)
        sure = self._look_ahead.guess(running, room) if self._look_ahead is not None else {}
        room -= sum(map(len, sure.values()))
        guesses = self._guesser.guess(running, room) if self._guesser is not None else {}
        return guesses | sure

    def _observe(self, sequence: Sequence, num_guessed: int, num_kept: int) -> None:
        """A guess was checked; whose was it?"""
        is_sure = self._look_ahead is not None and self._look_ahead.observe(
            sequence, num_guessed, num_kept
        )
        if self._guesser is not None and not is_sure:
            self._guesser.observe(sequence, num_guessed, num_kept)

    def _grow(self, guesses: Guesses) -> Guesses:
        """Take the cells that this step needs. Where there are none, guesses go, then the
        youngest sequence."""

        def needed() -> dict[int, int]:
            return {
                slot: sequence.needs_cell + len(guesses.get(sequence.id, []))
                for slot, sequence in self.running.items()
            }

        while not self._cache.grow(needed()):
            if guesses:
                guesses = {}
            elif len(self.running) == 1:
                break  # the backend has the last word
            else:
                self._preempt()
        for sequence in self.running.values():
            sequence.needs_cell = False
        return guesses

    def _catch_up(self, sequence: Sequence) -> bool:
        """Take what the sequence that it follows has computed; False if there is more to come."""
        leader = sequence.leader
        if leader is None:
            return True
        available = min(leader.num_computed, sequence.num_shared)
        if available > sequence.num_computed:
            assert leader.slot is not None
            assert sequence.slot is not None
            begin = sequence.num_computed
            sequence.take_shared(self._cache.share(leader.slot, sequence.slot, begin, available))
        if available == sequence.num_shared:
            sequence.leader = None
        return sequence.leader is None

    def _up_to_checkpoint(self, sequence: Sequence, count: int) -> int:
        """How many of the next `count` tokens to compute at once."""
        assert sequence.slot is not None
        begin = sequence.num_computed
        return self._cache.chunk_end(sequence.slot, begin, begin + count) - begin

    def _preempt(self) -> None:
        """The sequence that was admitted last goes back to the head of the queue."""
        youngest = next(reversed(self.running.values()))
        self._leave_slot(youngest)
        self.waiting.appendleft(youngest)

    def _leave_slot(self, sequence: Sequence) -> None:
        for follower in self.running.values():
            if follower.leader is sequence:
                self._catch_up(follower)
                follower.leader = None
        assert sequence.slot is not None
        num_behind = sequence.num_computed - len(sequence.tokens)  # guesses behind the end
        if num_behind > 0:
            self._cache.truncate(sequence.slot, len(sequence.tokens), num_behind)
        del self.running[sequence.slot]
        self._cache.release(sequence.slot, sequence.tokens[: sequence.num_computed])
        sequence.stop()


def _next_work(sequence: Sequence, count: int, guess: Tokens[int] = ()) -> Work:
    assert sequence.slot is not None
    begin, end = sequence.num_computed, sequence.num_computed + count
    sampler = sequence.id if end == len(sequence.tokens) else None
    tokens = [*sequence.tokens[begin:end], *guess]
    return Work(sequence.slot, begin, tokens, sampler, len(guess))
