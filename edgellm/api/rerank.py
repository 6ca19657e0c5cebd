"""Reranking: documents by how well they answer a query, in Jina's and Cohere's shape.

A reranker judges each pair, from 0 to 1; a model that is made for embeddings compares its vectors
(cosine, -1 to 1), and the answer's `meta.scoring` says which it was. A chat model does neither.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from edgellm.api.body import read_body
from edgellm.api.documented import documented
from edgellm.api.replies import client_of, json_response, ranked
from edgellm.api.validation import bad_type, parse_body
from edgellm.api.vectors import MAX_INPUTS
from edgellm.serving.router import Router
from edgellm.types import RerankRequest, Scores

_MAX_COUNT = 2**31 - 1
PATHS = ("/v1/rerank", "/rerank", "/v1/reranking", "/reranking")  # the last three: llama-server's


class RerankBody(BaseModel):
    """`POST /v1/rerank`. `documents`: strings, or objects with a `text`."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[list[Any], Field(min_length=1, max_length=MAX_INPUTS)]
    model: str | None = None
    top_n: Annotated[int, Field(ge=1, le=_MAX_COUNT)] | None = None  # None = all of them
    return_documents: bool | None = None  # each result with its document
    user: Any = None


def rerank_routes(router: Router, max_body_bytes: int) -> APIRouter:
    """The routes, answered by `router`."""
    routes = APIRouter(tags=["rerank"])

    async def rerank(request: Request) -> Response:
        body = parse_body(RerankBody, await read_body(request, max_body_bytes))
        documents = to_documents(body.documents)
        model = router.status(body.model or "").id
        client = client_of(request, body.user)
        asked = RerankRequest(model, body.query, documents, client)
        scores = await ranked(request, router, asked)
        is_judge = "rerank" in router.status(model).capabilities
        answer = ranking(
            model, scores, documents, body.top_n, has_documents=bool(body.return_documents)
        )
        return json_response(answer | {"meta": {"scoring": "reranker" if is_judge else "cosine"}})

    for path in PATHS:
        is_main = path == PATHS[0]
        routes.post(path, include_in_schema=is_main, **documented(RerankBody))(rerank)
    return routes


def to_documents(values: list[Any]) -> tuple[str, ...]:
    """Raises InvalidRequest."""
    return tuple(_to_document(value, f"documents[{i}]") for i, value in enumerate(values))


def ranking(
    model: str,
    scores: Scores,
    documents: tuple[str, ...],
    top_n: int | None,
    *,
    has_documents: bool,
) -> dict[str, Any]:
    """The best first; of equals, the one that came first."""
    order = sorted(range(len(documents)), key=lambda index: -scores.scores[index])
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": scores.scores[index]} for index in order[:top_n]
    ]
    if has_documents:
        for result in results:
            result["document"] = {"text": documents[result["index"]]}
    usage = {"prompt_tokens": scores.prompt_tokens, "total_tokens": scores.prompt_tokens}
    return {"object": "list", "model": model, "results": results, "usage": usage}


def _to_document(value: Any, path: str) -> str:
    match value:
        case str(text) | {"text": str(text)}:
            return text
        case _:
            raise bad_type(path, "a string, or an object with a 'text'", value)
