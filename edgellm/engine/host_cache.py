"""Computed tokens that have left the KV cache, kept in main memory.

Every cell in use makes every step slower, whoever it belongs to: attention walks over all of them,
skips those that are another's, and divides what there is to walk over, not to compute, among the
threads. So finished sequences leave the KV cache when the next answer begins: their states
are copied here, which takes some 20 ms per 1,000 tokens, and back when a prompt begins like them.
What several sequences shared is a piece of its own, and kept once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from collections.abc import Sequence as Tokens
from typing import NamedTuple

from edgellm.backends.base import State
from edgellm.engine.prefix_cache import UNSHARED_KEPT, Part, num_shared


class Piece(NamedTuple):
    """The state of the tokens from position `begin` to the end of `tokens`."""

    tokens: tuple[int, ...]  # from the first one on
    begin: int
    state: State


class HostCache:
    """Pieces of sequences, bounded in bytes; the one used longest ago goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._pieces: dict[tuple[int, ...], Piece] = {}  # used longest ago first
        self._num_matches: dict[tuple[int, ...], int] = {}  # prompts that began with all of it

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def num_bytes(self) -> int:
        """Of all states together."""
        return self._num_bytes

    def has(self, part: Part) -> bool:
        """Whether a part is here already; if so, it has been used just now."""
        piece = self._pieces.get(part.tokens)
        if piece is None or piece.begin > part.begin:
            return False
        self._touch(piece)
        self._num_matches[part.tokens] += part.num_matches
        return True

    def make_room(self, part: Part, num_bytes: int) -> bool:
        """Let a part of that size be added, before its state is copied and takes memory as well;
        False if it is larger than all that may be kept. Shorter pieces that it contains go."""
        if num_bytes > self._max_bytes:
            return False
        for piece in list(self._pieces.values()):
            is_inside = piece.begin >= part.begin and len(piece.tokens) <= len(part.tokens)
            if is_inside and part.tokens[: len(piece.tokens)] == piece.tokens:
                self._drop(piece)
        while self._num_bytes + num_bytes > self._max_bytes:
            self._drop(next(iter(self._pieces.values())))
        return True

    def add(self, part: Part, state: State) -> None:
        """Keep a part, if it is not too large."""
        if not self.make_room(part, len(state)):
            return
        self._pieces[part.tokens] = Piece(part.tokens, part.begin, state)
        self._num_matches[part.tokens] = part.num_matches
        self._num_bytes += len(state)

    def cover(self, tokens: Tokens[int], length: int) -> list[tuple[Piece, int]]:
        """The pieces that continue the first `length` of `tokens`, one behind the other, and the
        number of tokens that are covered with each."""
        wanted = tuple(tokens)
        found: list[tuple[Piece, int]] = []
        while True:
            reach, piece = max(
                (
                    (num_shared(p.tokens, wanted, 0), p)
                    for p in self._pieces.values()
                    if p.begin <= length
                ),
                key=lambda entry: entry[0],
                default=(0, None),
            )
            if piece is None or reach <= length:
                return found
            self._touch(piece)
            if reach == len(piece.tokens):
                self._num_matches[piece.tokens] += 1
            found.append((piece, reach))
            length = reach

    def hot(self) -> Iterator[Piece]:
        """Beginnings that several prompts shared, the one that saved most first; then the newest
        of the others."""
        newest = [piece for piece in reversed(self._pieces.values()) if not piece.begin]
        shared = [piece for piece in newest if self._num_matches[piece.tokens] > 1]
        shared.sort(key=lambda p: self._num_matches[p.tokens] * len(p.tokens), reverse=True)
        yield from shared
        unshared = (piece for piece in newest if self._num_matches[piece.tokens] <= 1)
        yield from itertools.islice(unshared, UNSHARED_KEPT)

    def _touch(self, piece: Piece) -> None:
        del self._pieces[piece.tokens]
        self._pieces[piece.tokens] = piece

    def _drop(self, piece: Piece) -> None:
        del self._pieces[piece.tokens], self._num_matches[piece.tokens]
        self._num_bytes -= len(piece.state)
