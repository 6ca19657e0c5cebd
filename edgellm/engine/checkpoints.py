"""Snapshots of sequences whose state cannot be cut, so that beginnings can be used again.

A recurrent layer (Mamba; the short convolutions of LFM2) has one state for all tokens that it has
seen, and no way back; a window cache has forgotten what left the window. So while a prompt is
computed, copies of its state are kept, and a later prompt starts from the longest copy that it
begins with. They are bytes in host memory: no slot and no cell is held for them.

Where a copy is made, of the tokens that a sequence computes:

- After 256, 512, 1024, ... tokens: whatever a later prompt shares, it computes at most half of that
  again (from 256 on), and all copies together are no larger than the state at the last one twice.
- 16 tokens before the end of the prompt: for the same prompt again, and for the next turn of a
  conversation whose template drops the reasoning, and with it what the prompt ends in to ask for it
  (such as `<think>`).
- Where two prompts were seen to part, which is the end of a system prompt: the second one makes
  the copy, the third starts from it.
- At the end of the answer, or where a sequence had to stop: the next turn goes on from there.

Every prompt leaves some copies, and few of them serve another. So when there is no room, those go
first that no prompt has started from, then the one that was used longest ago.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence as Tokens

from edgellm.backends.base import State
from edgellm.engine.prefix_cache import NO_SLOT, UNSHARED_KEPT, Match, NoCache

FIRST_TOKENS = 256  # of the positions that double
GAP_TOKENS = 16  # computing so few is cheaper than another copy
MAX_BYTES = 256 * 1024 * 1024  # of all copies together
MAX_CHECKPOINTS = 64


class _Checkpoint:
    """A copy of the state behind `tokens`."""

    def __init__(self, tokens: tuple[int, ...], state: State) -> None:
        self.tokens = tokens
        self.state = state
        self.num_matches = 0  # prompts that started from it


class _Running:
    """What is known of a slot: its tokens, and where its state is to be kept."""

    def __init__(self, tokens: tuple[int, ...], start: int) -> None:
        self.tokens = tokens
        self.reach = start  # all before is computed, or is being computed
        self.stops: list[int] = []
        position = FIRST_TOKENS
        while position < len(tokens):
            self.add_stop(position)
            position *= 2
        self.add_stop(len(tokens) - GAP_TOKENS)

    def add_stop(self, position: int) -> int:
        """Keep the state at `position`, or where it will be kept shortly before. Gives which."""
        for stop in self.stops:
            if position - GAP_TOKENS <= stop <= position:
                return stop
        if position >= self.reach + GAP_TOKENS:
            self.stops.append(position)
            self.stops.sort()
        return position

    def next_stop(self, begin: int) -> int | None:
        return next((stop for stop in self.stops if stop > begin), None)


class CheckpointCache(NoCache):
    """A `PrefixCache` that keeps no slots, but states."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_checkpoints: int = MAX_CHECKPOINTS) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._max_checkpoints = max_checkpoints
        self._num_bytes = 0
        self._running: dict[int, _Running] = {}
        self._kept: dict[tuple[int, ...], _Checkpoint] = {}  # the one used longest ago first

    @property
    def num_bytes(self) -> int:
        """Of all states that are kept."""
        return self._num_bytes

    def match(self, tokens: Tokens[int]) -> Match | None:
        """The running sequence that will keep a state for more of `tokens` than any that is there,
        else the longest state of a beginning of them."""
        tokens = tuple(tokens)
        best = self._longest(tokens)
        length = len(best.tokens) if best is not None else 0
        for slot, running in self._running.items():
            shared = min(_num_common(running.tokens, tokens), len(running.tokens) - 1)
            if shared >= max(running.reach, length) + GAP_TOKENS:
                return Match(slot, running.add_stop(shared))
        return self._use(best)

    def insert(self, slot: int, tokens: Tokens[int]) -> None:
        super().insert(slot, tokens)
        tokens = tuple(tokens)
        if slot in self._running:
            self._running[slot].tokens = tokens
        else:
            self._running[slot] = self._plan(tokens)

    def remove(self, slot: int) -> None:
        super().remove(slot)
        del self._running[slot]

    def chunk_end(self, slot: int, begin: int, end: int) -> int:
        running = self._running[slot]
        stop = running.next_stop(begin)
        running.reach = end if stop is None else min(end, stop)
        return running.reach

    def wants_state(self, slot: int, length: int) -> bool:
        running = self._running[slot]
        is_stop = length in running.stops or length == len(running.tokens)
        return is_stop and length >= GAP_TOKENS and running.tokens[:length] not in self._kept

    def make_room(self, num_bytes: int) -> bool:
        if num_bytes > self._max_bytes:
            return False
        while self._kept and not self._has_room(num_bytes):
            victim = self._kept.pop(self._victim().tokens)
            self._num_bytes -= len(victim.state)
        return True

    def keep(self, slot: int, length: int, state: State) -> None:
        if not self.make_room(len(state)):
            return
        tokens = self._running[slot].tokens[:length]
        self._kept[tokens] = _Checkpoint(tokens, state)
        self._num_bytes += len(state)

    def checkpoint(self, slot: int, begin: int, end: int) -> Match | None:
        best = self._longest(self._running[slot].tokens[:end])
        return self._use(best) if best is not None and len(best.tokens) > begin else None

    def hot(self) -> list[tuple[Match, tuple[int, ...]]]:
        newest = list(reversed(self._kept.values()))
        shared = [kept for kept in newest if kept.num_matches]
        shared.sort(key=lambda kept: kept.num_matches * len(kept.tokens), reverse=True)
        unshared = [kept for kept in newest if not kept.num_matches][:UNSHARED_KEPT]
        return [(_match(kept), kept.tokens) for kept in shared + unshared]

    # -- inside ---------------------------------------------------------------------------------

    def _has_room(self, num_bytes: int) -> bool:
        is_few = len(self._kept) < self._max_checkpoints
        return is_few and self._num_bytes + num_bytes <= self._max_bytes

    def _victim(self) -> _Checkpoint:
        """The oldest that no prompt has started from, else the oldest."""
        kept = list(self._kept.values())
        return next((one for one in kept if not one.num_matches), kept[0])

    def _plan(self, tokens: tuple[int, ...]) -> _Running:
        """For a prompt: it starts from the longest state, and parts from the others somewhere."""
        best = self._longest(tokens[:-1])
        running = _Running(tokens, len(best.tokens) if best is not None else 0)
        known = [*self._kept, *(other.tokens for other in self._running.values())]
        running.add_stop(max((_num_common(other, tokens[:-1]) for other in known), default=0))
        return running

    def _longest(self, tokens: tuple[int, ...]) -> _Checkpoint | None:
        """The longest state of a beginning of `tokens`."""
        lengths = sorted({len(known) for known in self._kept}, reverse=True)
        found = (self._kept.get(tokens[:length]) for length in lengths)
        return next((kept for kept in found if kept is not None), None)

    def _use(self, checkpoint: _Checkpoint | None) -> Match | None:
        if checkpoint is None:
            return None
        checkpoint.num_matches += 1
        self._kept[checkpoint.tokens] = self._kept.pop(checkpoint.tokens)
        return _match(checkpoint)


def _match(checkpoint: _Checkpoint) -> Match:
    return Match(NO_SLOT, len(checkpoint.tokens), checkpoint.state)


def _num_common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """How many tokens both begin with. Comparing slices is faster than one token after another."""
    lengths = range(1, min(len(first), len(second)) + 1)
    return bisect_left(lengths, True, key=lambda n: first[:n] != second[:n])
