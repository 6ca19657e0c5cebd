"""Embeddings -> the answers of `/api/embed` and `/api/embeddings`. Pure."""

from __future__ import annotations

from typing import Any

from edgellm.api.ollama.output import Head, to_nanoseconds
from edgellm.types import Embeddings

Json = dict[str, Any]


def embeddings(head: Head, found: Embeddings) -> Json:
    return {
        "model": head.model,
        "embeddings": found.vectors,
        "total_duration": to_nanoseconds(head.clock() - head.began),
        "load_duration": 0,
        "prompt_eval_count": found.prompt_tokens,
    }


def embedding(found: Embeddings) -> Json:
    return {"embedding": found.vectors[0]}
