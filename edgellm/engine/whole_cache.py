"""Used again as a whole or not at all: for models whose state cannot be cut.

A recurrent layer (Mamba; the short convolutions of LFM2) has one state for all tokens that it has
seen, and no way back. So a kept sequence serves a prompt that begins with all of it, as the next
turn of a conversation does, and no other.
"""

from __future__ import annotations

from collections.abc import Sequence as Tokens

from edgellm.engine.prefix_cache import Match, Part


class WholeCache:
    """A `PrefixCache` without a tree: there are a handful of sequences."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, ...]] = {}
        self._finished: dict[int, None] = {}  # the one used longest ago first

    @property
    def num_cells(self) -> int:
        """An upper bound: what two sequences share is counted twice."""
        return sum(map(len, self._known.values()))

    def match(self, tokens: Tokens[int]) -> Match | None:
        begins = [
            Match(slot, len(known))
            for slot in self._finished
            if (known := self._known[slot]) == tuple(tokens[: len(known)])
        ]
        best = max(begins, key=lambda match: match.length, default=None)
        if best is not None:
            del self._finished[best.slot]
            self._finished[best.slot] = None
        return best

    def insert(self, slot: int, tokens: Tokens[int]) -> None:
        self._known[slot] = tuple(tokens)

    def release(self, slot: int) -> bool:
        self._finished[slot] = None
        return True

    def remove(self, slot: int) -> None:
        self._finished.pop(slot, None)
        del self._known[slot]

    def victim(self) -> int | None:
        return next(iter(self._finished), None)

    def parts(self, slot: int) -> list[Part]:  # noqa: ARG002 - the protocol's
        return []  # it cannot be cut

    @property
    def num_kept(self) -> int:
        return 0  # they cost no other sequence anything

    def hot(self) -> list[tuple[Match, tuple[int, ...]]]:
        return []  # a whole conversation is its user's own: not worth keeping for others
