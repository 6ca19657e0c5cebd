"""Whether a model can do what a request asks of it, and what to do where it cannot. Pure."""

from __future__ import annotations

from edgellm.errors import InvalidRequest
from edgellm.protocol import ModelInfo
from edgellm.types import Capability

CODE = "unsupported_by_model"


def check_can(info: ModelInfo, name: str, wanted: Capability) -> None:
    """Raises InvalidRequest that says what the model is for."""
    own = info.capabilities
    if wanted in own or (wanted == "rerank" and own == ("embedding",)):
        return
    message, hint = _refusal(name, own, wanted)
    raise InvalidRequest(message, hint, param="model", code=CODE)


def _refusal(name: str, own: tuple[Capability, ...], wanted: Capability) -> tuple[str, str]:
    match wanted:
        case "completion":
            route = "/v1/rerank" if own == ("rerank",) else "/v1/embeddings"
            what = "a reranker" if own == ("rerank",) else "an embedding model"
            return (
                f"The model '{name}' is {what}: it cannot write text.",
                f"Use it at {route}, or choose a model that is made for chat.",
            )
        case "embedding":
            return (
                f"The model '{name}' is a reranker: it has no embeddings.",
                "Use it at /v1/rerank, or choose a model that is made for embeddings.",
            )
        case "rerank":
            return (
                f"The model '{name}' is made for chat: it cannot judge documents.",
                "Choose a reranker (bge-reranker-v2-m3, qwen3-reranker-0.6b), or a model that is "
                "made for embeddings, whose vectors are compared.",
            )
