"""What becomes of an engine's vectors: numbers, and the cosine of two of them. Pure.

Without numpy: the server does not load it, and there are no more than a few megabytes.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from operator import mul

from edgellm.protocol import Vectors
from edgellm.types import Embeddings, Scores


def to_embeddings(vectors: Vectors) -> Embeddings:
    """The numbers of the packed vectors."""
    values = array("f", vectors.data)
    if sys.byteorder == "big":
        values.byteswap()
    width = vectors.width
    found = (tuple(values[i : i + width]) for i in range(0, len(values), width))
    return Embeddings(tuple(found), vectors.num_prompt_tokens)


def to_scores(embeddings: Embeddings) -> Scores:
    """How near each of the others is to the first."""
    query, *documents = embeddings.vectors
    scores = tuple(cosine(query, document) for document in documents)
    return Scores(scores, embeddings.prompt_tokens)


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """-1 to 1; 0 where one of them is nothing."""
    lengths = math.hypot(*first) * math.hypot(*second)
    return sum(map(mul, first, second)) / lengths if lengths else 0.0
