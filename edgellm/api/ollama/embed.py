"""Embeddings -> the answers of `/api/embed` and `/api/embeddings`. Pure."""

from __future__ import annotations

import math
from typing import Any

from edgellm.api.ollama.output import Head, to_nanoseconds
from edgellm.api.validation import bad_value
from edgellm.types import Embeddings

Json = dict[str, Any]


def embeddings(head: Head, found: Embeddings, dimensions: int | None) -> Json:
    """Raises InvalidRequest for more dimensions than the model has."""
    return {
        "model": head.model,
        "embeddings": [cut(vector, dimensions) for vector in found.vectors],
        "total_duration": to_nanoseconds(head.clock() - head.began),
        "load_duration": 0,
        "prompt_eval_count": found.prompt_tokens,
    }


def embedding(found: Embeddings) -> Json:
    return {"embedding": found.vectors[0]}


def cut(vector: tuple[float, ...], dimensions: int | None) -> tuple[float, ...]:
    """The first dimensions, at unit length again."""
    if dimensions is None or dimensions == len(vector):
        return vector
    if dimensions > len(vector):
        expected = f"at most {len(vector)}, which the model has"
        raise bad_value("dimensions", expected, dimensions)
    part = vector[:dimensions]
    length = math.sqrt(sum(value * value for value in part))
    return tuple(value / length for value in part) if length else part
