"""The tokens that a sampler chooses from, as llama.cpp takes them: only those that are allowed.

One buffer for all answers, since they are sampled one after the other: 12 bytes for each token of
the vocabulary, whose pages would otherwise be made anew for each token.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]  # by token: whether it may come
Logits: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Candidates:
    """Filled for one draw, and filled again for the next."""

    def __init__(self, num_vocab: int) -> None:
        self.entries = np.zeros(num_vocab, _CANDIDATE)
        self._ids = np.arange(num_vocab, dtype=np.int32)

    def fill(self, logits: Logits, allowed: Mask) -> int:
        """Write the allowed tokens in front; how many they are. Their order is not told, but the
        same for the same mask."""
        count = int(np.count_nonzero(allowed))
        if 2 * count < len(allowed):
            self._gather(logits, np.flatnonzero(allowed))
        else:
            forbidden = np.flatnonzero(~allowed[:count])
            self._remove(logits, forbidden, count + np.flatnonzero(allowed[count:]))
        return count

    def _gather(self, logits: Logits, ids: Any) -> None:
        entries = self.entries[: len(ids)]
        entries["id"] = ids
        entries["logit"] = logits[ids]

    def _remove(self, logits: Logits, holes: Any, behind: Any) -> None:
        """Write all; then the allowed ones `behind` take the places of the forbidden ones."""
        self.entries["id"] = self._ids
        self.entries["logit"] = logits
        self.entries[holes] = self.entries[behind]
