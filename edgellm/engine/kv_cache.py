"""Hands out the KV cache: slots for sequences, and the cells that their tokens take.

What finished sequences computed stays and is shared with later ones until the room is needed
(`prefix_cache.py` knows what is there). Sharing copies nothing: a cell can belong to many slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Tokens
from typing import Protocol

from edgellm.backends.base import Limits
from edgellm.engine.prefix_cache import Match, PrefixCache


class Memory(Protocol):
    """The part of a backend that holds the KV cache."""

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        """Let `target` hold the tokens at positions [begin, end) of `source` as well."""

    def truncate(self, slot: int, length: int) -> None:
        """Drop what a slot holds behind its first `length` tokens."""

    def forget(self, slot: int) -> None:
        """Drop all that a slot holds; cells that nobody else holds are free."""

    def get_state(self, slot: int) -> bytes:
        """All that a slot holds."""

    def set_state(self, slot: int, state: bytes) -> bool:
        """Fill an empty slot; False if the state does not fit."""


class KVCache:
    """Books for the backend's slots and cells; all changes of them go through here."""

    def __init__(self, memory: Memory, limits: Limits, prefixes: PrefixCache) -> None:
        self._memory = memory
        self._prefixes = prefixes
        self._num_cells = limits.num_cells
        self._free = list(range(limits.num_slots - 1, -1, -1))
        self._grown: dict[int, int] = {}  # by slot: cells of the answer that is being made

    @property
    def num_used(self) -> int:
        """Cells in use, by finished sequences too."""
        return self._prefixes.num_cells + sum(self._grown.values())

    def acquire(self, tokens: Tokens[int], headroom: int) -> tuple[int, Match | None] | None:
        """A slot with room for `tokens`, and whose beginning it can share.

        The last token is never shared: it must be computed to give logits. None if there is no
        room now, even without all that is finished.

        Args:
            headroom: cells that must be left.
        """
        match = self._prefixes.match(tokens[:-1])
        slot = self._take_slot()
        if slot is None:
            return None
        if match is not None and match.slot == slot:
            match = None  # its slot was the last one to take
        if match is not None and match.slot not in self._grown:  # finished: all of it is there
            self._memory.share(match.slot, slot, 0, match.length)
        self._prefixes.insert(slot, tokens)
        self._grown[slot] = 0
        if not self._make_room(headroom):
            self._drop(slot)
            return None
        return slot, match

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        """Let a running sequence have what another one has just computed."""
        self._memory.share(source, target, begin, end)

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
        self._grown.pop(slot)
        if not tokens or not self._prefixes.release(slot):
            self._grown[slot] = 0
            self._drop(slot)

    def evict(self) -> bool:
        """Forget the finished sequence that was used longest ago; False if there is none."""
        slot = self._prefixes.evict()
        if slot is None:
            return False
        self._memory.forget(slot)
        self._free.append(slot)
        return True

    def export(self) -> Iterator[tuple[tuple[int, ...], bytes]]:
        """Prefixes that are worth keeping, the best first, each with its state."""
        for match, prefix in self._prefixes.hot():
            if not self._free:
                return
            slot = self._free.pop()
            self._memory.share(match.slot, slot, 0, match.length)
            yield prefix, self._memory.get_state(slot)
            self._memory.forget(slot)
            self._free.append(slot)

    def adopt(self, tokens: Tokens[int], state: bytes) -> bool:
        """Take in a prefix that was exported; False if there is no room or it does not fit."""
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
