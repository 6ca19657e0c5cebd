"""Embeddings in OpenAI's shape (`/v1/embeddings`) and in llama-server's (`/embedding`).

What a model wants in front of a text ("search_query: ") is the client's to write: nothing is added
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from edgellm.api.body import read_body
from edgellm.api.documented import documented
from edgellm.api.replies import client_of, embedded, json_response
from edgellm.api.validation import missing, parse_body, to_keep_alive
from edgellm.api.vectors import to_base64, to_inputs
from edgellm.serving.router import Router
from edgellm.types import Embeddings, EmbedRequest, Pooling

MAX_DIMENSIONS = 2**31 - 1

Encoding = Literal["float", "base64"]


class EmbeddingBody(BaseModel):
    """`POST /v1/embeddings`. `input`: a string, token ids, or an array of either. Those after
    `user` are extensions."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    input: Any
    model: str | None = None
    encoding_format: Encoding | None = None
    dimensions: Annotated[int, Field(ge=1, le=MAX_DIMENSIONS)] | None = None
    user: Any = None
    pooling: Pooling | None = None  # None = the model's own
    normalize: bool | None = None  # False: the vectors as the model computes them
    truncate: bool | None = None  # a text that is too long loses its end, and is no error
    keep_alive: Any = None


class LlamaEmbeddingBody(EmbeddingBody):
    """`POST /embedding`: as llama-server has it, `content` is the name of `input`."""

    input: Any = None
    content: Any = None


def embedding_routes(router: Router, max_body_bytes: int) -> APIRouter:
    """The routes, answered by `router`."""
    routes = APIRouter(tags=["embeddings"])

    @routes.post("/v1/embeddings", **documented(EmbeddingBody))
    async def embeddings(request: Request) -> Response:
        body = parse_body(EmbeddingBody, await read_body(request, max_body_bytes))
        model, found = await embed(request, body, body.input, "input")
        return json_response(embedding_list(model, found, body.encoding_format or "float"))

    @routes.post("/embedding", **documented(LlamaEmbeddingBody))
    @routes.post("/embeddings", **documented(LlamaEmbeddingBody))
    async def llama_embedding(request: Request) -> Response:
        body = parse_body(LlamaEmbeddingBody, await read_body(request, max_body_bytes))
        param = "content" if body.content is not None else "input"
        value = body.content if body.content is not None else body.input
        if value is None:
            raise missing("content")
        _, found = await embed(request, body, value, param)
        return json_response(
            [{"index": i, "embedding": [vector]} for i, vector in enumerate(found.vectors)]
        )

    async def embed(
        request: Request, body: EmbeddingBody, value: Any, param: str
    ) -> tuple[str, Embeddings]:
        model = router.status(body.model or "").id
        asked = to_embed_request(body, value, param, model, client_of(request, body.user))
        return model, await embedded(request, router, asked)

    return routes


def to_embed_request(
    body: EmbeddingBody, value: Any, param: str, model: str, client: str = ""
) -> EmbedRequest:
    """Raises InvalidRequest."""
    return EmbedRequest(
        model=model,
        inputs=to_inputs(value, param),
        must_truncate=bool(body.truncate),
        pooling=body.pooling,
        is_normalized=body.normalize is not False,
        dimensions=body.dimensions,
        client=client,
        keep_alive_seconds=to_keep_alive(body.keep_alive),
        param=param,
    )


def embedding_list(model: str, found: Embeddings, encoding: Encoding) -> dict[str, Any]:
    """OpenAI's answer."""
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
        for index, vector in enumerate(found.vectors)
    ]
    usage = {"prompt_tokens": found.prompt_tokens, "total_tokens": found.prompt_tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _encoded(vector: Sequence[float], encoding: Encoding) -> Sequence[float] | str:
    return to_base64(vector) if encoding == "base64" else vector
