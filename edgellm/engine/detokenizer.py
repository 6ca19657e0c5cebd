"""Tokens' bytes to text that may be shown: whole characters, and nothing of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edgellm.types import TokenLogprob


class Released(NamedTuple):
    """Text that is final, with the log-probabilities of the tokens that it ends."""

    text: str
    logprobs: tuple[TokenLogprob, ...]


class Detokenizer:
    """One answer's text. Holds back what may become part of a character or of a stop string."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.found: str | None = None  # the stop string that ended the text; nothing more comes
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._num_decoded = 0  # characters, since the start
        self._num_released = 0
        self._logprobs: list[tuple[int, TokenLogprob]] = []  # (characters decoded then, entry)

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string was found."""
        return self.found is not None

    def push(self, data: bytes, logprob: TokenLogprob | None = None) -> Released:
        """One token's bytes; gives what is final now."""
        self._decode(data, is_last=False)
        if logprob is not None:
            self._logprobs.append((self._num_decoded, logprob))
        return self._release()

    def finish(self) -> Released:
        """The answer ends here: what was held back is text after all."""
        self._decode(b"", is_last=True)
        released = self._release()
        return released if self.is_stopped else self._take(released, len(self._held))

    def _decode(self, data: bytes, *, is_last: bool) -> None:
        text = self._decoder.decode(data, is_last)
        self._held += text
        self._num_decoded += len(text)

    def _release(self) -> Released:
        self.found = _earliest(self._held, self._stop)
        if self.found is not None:
            return self._take(Released("", ()), self._held.find(self.found))
        return self._take(Released("", ()), len(self._held) - _overlap(self._held, self._stop))

    def _take(self, before: Released, count: int) -> Released:
        text, self._held = self._held[:count], self._held[count:]
        self._num_released += count
        logprobs = [entry for end, entry in self._logprobs if end <= self._num_released]
        del self._logprobs[: len(logprobs)]
        return Released(before.text + text, (*before.logprobs, *logprobs))


def _earliest(text: str, stop: Iterable[str]) -> str | None:
    """The stop string that begins first, or None; of several there, the one that ends first."""
    found = [(position, len(word), word) for word in stop if (position := text.find(word)) >= 0]
    return min(found)[2] if found else None


def _overlap(text: str, stop: Iterable[str]) -> int:
    """The length of the longest end of `text` that begins a stop string."""
    return max(
        (
            length
            for word in stop
            for length in range(1, min(len(word), len(text) + 1))
            if text.endswith(word[:length])
        ),
        default=0,
    )
