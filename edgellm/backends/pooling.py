"""One vector of a text out of the vectors of its tokens, however many steps these took.

Mean, first (CLS) and last, as llama.cpp pools, which can only do it within one step.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from edgellm.types import Pooling

Rows: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]  # (tokens, width)


class Pool:
    """Takes the tokens' vectors in order."""

    def __init__(self, pooling: Pooling) -> None:
        self._pooling = pooling
        self._sum: Any = 0.0
        self._count = 0

    def add(self, rows: Rows) -> None:
        """`rows`: of the next tokens, at least one. They are not kept."""
        match self._pooling:
            case "mean":
                self._sum = self._sum + rows.sum(axis=0, dtype=np.float64)
                self._count += len(rows)
            case "cls" if self._count == 0:
                self._sum, self._count = rows[0].astype(np.float64), 1
            case "last":
                self._sum, self._count = rows[-1].astype(np.float64), 1

    def result(self, *, is_normalized: bool, dimensions: int | None) -> Rows:
        """The text's vector, shape (width,).

        Args:
            dimensions: keep only the first ones, as models are trained for (Matryoshka).
        """
        vector = (self._sum / self._count)[:dimensions]
        if is_normalized:
            vector = vector / (np.linalg.norm(vector) or 1.0)
        return np.asarray(vector, np.float32)
