"""Hands out the KV cache: slots for sequences, and the cells that their tokens take.

What finished sequences computed stays and is shared with later ones (`prefix_cache.py` knows what
is there). Sharing copies nothing: a cell can belong to many slots. When there is too much of it, or
when the room is needed, it moves to main memory (`host_cache.py`) or is forgotten.
Where sequences cannot be cut, copies of their states take that part (`checkpoints.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Tokens
from typing import NamedTuple, Protocol

from edgellm.backends.base import Limits, State
from edgellm.engine.host_cache import HostCache
from edgellm.engine.prefix_cache import Part, PrefixCache

KEPT_CELLS = 64  # of finished sequences that stay in the KV cache beside answers
KEPT_CELLS_AT_START = 640  # beside prompts: to move them delays a first token more than they do
ADOPTED_MATCHES = 1  # of an exported prefix: one prompt that begins with it makes it a shared one


class Memory(Protocol):
    """The part of a backend that holds the KV cache."""

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        """Let `target` hold the tokens at positions [begin, end) of `source` as well."""

    def truncate(self, slot: int, length: int) -> None:
        """Drop what a slot holds behind its first `length` tokens."""

    def forget(self, slot: int) -> None:
        """Drop all that a slot holds; cells that nobody else holds are free."""

    def state_bytes(self, slot: int) -> int:
        """How large the state of `get_state` would be."""

    def get_state(self, slot: int) -> State:
        """All that a slot holds."""

    def set_state(self, slot: int, state: State) -> bool:
        """Fill an empty slot; False if the state does not fit."""


class Acquired(NamedTuple):
    """A slot, and how many of the first tokens are there or will be.

    With a `leader`, they are being computed in that slot; without, they can be used.
    """

    slot: int
    num_shared: int
    leader: int | None


class KVCache:
    """Books for the backend's slots and cells; all changes of them go through here."""

    def __init__(
        self,
        memory: Memory,
        limits: Limits,
        prefixes: PrefixCache,
        host: HostCache | None = None,
    ) -> None:
        """`host`: where finished sequences go; None = they stay until their cells are needed."""
        self._memory = memory
        self._prefixes = prefixes
        self._host = host
        self._can_cut = limits.can_cut
        self._num_cells = limits.num_cells
        self._free = list(range(limits.num_slots - 1, -1, -1))
        self._spare = self._free.pop(0) if limits.can_cut else -1  # for parts of sequences
        self._grown: dict[int, int] = {}  # by slot: cells of the answer that is being made

    @property
    def num_used(self) -> int:
        """Cells in use, by finished sequences too."""
        return self._prefixes.num_cells + sum(self._grown.values())

    def acquire(
        self, tokens: Tokens[int], headroom: int, num_computed: Mapping[int, int]
    ) -> Acquired | None:
        """A slot with room for `tokens`, and the longest beginning of them that is known.

        The last token is never shared: it must be computed to give logits. None if there is no
        room now, even without all that is finished.

        Args:
            headroom: cells that must be left.
            num_computed: tokens, by the slot of each running sequence.
        """
        match = self._prefixes.match(tokens[:-1])
        slot = self._take_slot()
        if slot is None:
            return None
        if match is not None and match.slot == slot:
            match = None  # its slot was the last one to take
        length = match.length if match else 0
        state = match.state if match else None
        is_there = (
            match is None
            or state is not None
            or (self._can_cut and num_computed.get(match.slot, length) >= length)
        )
        if match is not None and state is None and is_there:
            self._memory.share(match.slot, slot, 0, length)
        self._prefixes.insert(slot, tokens)
        self._grown[slot] = 0
        if not self._make_room(headroom):
            self._drop(slot)
            return None
        self.tidy(KEPT_CELLS_AT_START)
        if not is_there:
            assert match is not None
            return Acquired(slot, length, match.slot)
        if state is not None:
            return Acquired(slot, length if self._memory.set_state(slot, state) else 0, None)
        return Acquired(slot, self._bring_back(slot, tokens[:-1], length, headroom), None)

    def tidy(self, num_kept: int = KEPT_CELLS) -> None:
        """Move what finished sequences left to main memory, where it slows nobody down.

        Args:
            num_kept: cells that may stay.
        """
        while self._host is not None and self._prefixes.num_kept > num_kept:
            self.evict()

    def share(self, source: int, target: int, begin: int, end: int) -> int:
        """Let a running sequence have what another one has just computed.

        Args:
            begin: tokens that the target holds already.
            end: tokens that it could hold.

        Returns:
            Tokens that it holds now: `end`, or fewer where sequences cannot be cut.
        """
        if self._can_cut:
            self._memory.share(source, target, begin, end)
            return end
        match = self._prefixes.checkpoint(target, begin, end)
        if match is None or match.state is None:
            return begin
        self._memory.forget(target)
        return match.length if self._memory.set_state(target, match.state) else 0

    def chunk_end(self, slot: int, begin: int, end: int) -> int:
        """Where a chunk of a prompt must end that could go from `begin` to `end`."""
        return self._prefixes.chunk_end(slot, begin, end)

    def checkpoint(self, slot: int, length: int) -> None:
        """`length` tokens are computed in a slot: keep its state, if it is one to keep."""
        if not self._prefixes.wants_state(slot, length):
            return
        if self._prefixes.make_room(self._memory.state_bytes(slot)):
            self._prefixes.keep(slot, length, self._memory.get_state(slot))

    def grow(self, num_cells: Mapping[int, int]) -> bool:
        """Take more cells, by slot; False if there is no room for all, and none taken."""
        if not self._make_room(sum(num_cells.values())):
            return False
        for slot, num in num_cells.items():
            self._grown[slot] += num
        return True

    def truncate(self, slot: int, length: int, num_dropped: int) -> None:
        """Give back the last `num_dropped` cells of a slot, which keeps `length` tokens."""
        self._memory.truncate(slot, length)
        self._grown[slot] -= num_dropped

    def release(self, slot: int, tokens: Tokens[int]) -> None:
        """A sequence leaves its slot, in which `tokens` are computed. They stay while they can."""
        self._prefixes.insert(slot, tokens)
        self.checkpoint(slot, len(tokens))
        self._grown.pop(slot)
        if not tokens or not self._prefixes.release(slot):
            self._grown[slot] = 0
            self._drop(slot)

    def evict(self) -> bool:
        """Move out the finished sequence that was used longest ago; False if there is none."""
        slot = self._prefixes.victim()
        if slot is None:
            return False
        if self._host is not None:
            self._move_out(slot, self._host)
        self._prefixes.remove(slot)
        self._memory.forget(slot)
        self._free.append(slot)
        return True

    def export(self) -> Iterator[tuple[tuple[int, ...], State]]:
        """What is worth keeping over a restart, the best first, each with its state."""
        hot = self._prefixes.hot()
        for match, prefix in hot:
            yield prefix, match.state or self._copy(match.slot, 0, match.length)
        known = {prefix for _, prefix in hot}
        for piece in self._host.hot() if self._host is not None else ():
            if piece.tokens not in known:
                yield piece.tokens, piece.state

    def adopt(self, tokens: Tokens[int], state: State) -> bool:
        """Take in a prefix that was exported; False if there is no room or it does not fit."""
        if self._host is not None:
            self._host.add(Part(tuple(tokens), 0, num_matches=ADOPTED_MATCHES), state)
            return True
        if not self._free or self.num_used + len(tokens) > self._num_cells:
            return False
        slot = self._free.pop()
        if not self._memory.set_state(slot, state):
            self._free.append(slot)
            return False
        self._prefixes.insert(slot, tokens)
        self._grown[slot] = 0
        self.release(slot, tokens)
        return True

    def _move_out(self, slot: int, host: HostCache) -> None:
        """Copy what only this slot holds to main memory, where it may be that large."""
        for part in self._prefixes.parts(slot):
            if host.has(part):
                continue
            self._memory.share(slot, self._spare, part.begin, len(part.tokens))
            if host.make_room(part, self._memory.state_bytes(self._spare)):
                host.add(part, self._memory.get_state(self._spare))
            self._memory.forget(self._spare)

    def _copy(self, slot: int, begin: int, end: int) -> State:
        """The state of the positions [begin, end) of a slot."""
        self._memory.share(slot, self._spare, begin, end)
        state = self._memory.get_state(self._spare)
        self._memory.forget(self._spare)
        return state

    def _bring_back(self, slot: int, tokens: Tokens[int], length: int, headroom: int) -> int:
        """Let a slot, which holds the first `length` of `tokens`, have what main memory knows of
        the rest. How many it holds then."""
        for piece, reach in self._host.cover(tokens, length) if self._host is not None else ():
            num_cells = len(piece.tokens) - piece.begin  # while it is unpacked
            if not self._make_room(headroom + num_cells):
                break
            if not self._memory.set_state(self._spare, piece.state):
                break
            self._memory.share(self._spare, slot, length, reach)
            self._memory.forget(self._spare)
            length = reach
        return length

    def _make_room(self, num_cells: int) -> bool:
        while self.num_used + num_cells > self._num_cells:
            if not self.evict():
                return False
        return True

    def _take_slot(self) -> int | None:
        if not self._free and not self.evict():
            return None
        return self._free.pop()

    def _drop(self, slot: int) -> None:
        del self._grown[slot]
        self._prefixes.remove(slot)
        self._memory.forget(slot)
        self._free.append(slot)
