"""Counts a prompt's tokens as the engine will: piece by piece, with what it adds to the first."""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.tokens.encoding import Encoding


class TokenCounter:
    """Of one model."""

    def __init__(self, encoding: Encoding, start: Sequence[int], num_end: int) -> None:
        """Make one.

        Args:
            start: the tokens that the engine puts before a text that does not begin with them.
            num_end: how many it puts behind.
        """
        self._encoding = encoding
        self._start = list(start)
        self._num_end = num_end

    def fewest(self, prompt: Sequence[str | int]) -> int:
        """A lower bound, without looking at the texts."""
        longest = self._encoding.max_token_bytes
        return sum(1 if isinstance(piece, int) else len(piece) // longest for piece in prompt)

    def count(self, prompt: Sequence[str | int]) -> int:
        """Of a prompt's pieces: texts, each cut by itself, and token ids."""
        return sum(self._count(piece, is_first=index == 0) for index, piece in enumerate(prompt))

    def _count(self, piece: str | int, *, is_first: bool) -> int:
        if isinstance(piece, int):
            return 1
        tokens = self._encoding.encode(piece)
        if not is_first:
            return len(tokens)
        has_start = tokens[: len(self._start)] == self._start
        return len(tokens) + self._num_end + (0 if has_start else len(self._start))
