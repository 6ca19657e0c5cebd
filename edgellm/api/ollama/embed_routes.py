"""Ollama's routes for embeddings."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.api.body import read_body
from edgellm.api.documented import documented
from edgellm.api.ollama.embed import embedding, embeddings
from edgellm.api.ollama.names import find
from edgellm.api.ollama.output import Head
from edgellm.api.ollama.request import embed_to_request, embeddings_to_request
from edgellm.api.ollama.schema import OllamaEmbedBody, OllamaEmbeddingsBody
from edgellm.api.replies import client_of, embedded, json_response
from edgellm.api.validation import parse_body
from edgellm.serving.router import Router
from edgellm.types import Embeddings, EmbedRequest


def embed_routes(router: Router, max_body_bytes: int) -> APIRouter:
    routes = APIRouter()

    @routes.post("/embed", **documented(OllamaEmbedBody))
    async def embed(request: Request) -> Response:
        began = time.monotonic()
        request.state.input_param = "input"
        body = parse_body(OllamaEmbedBody, await read_body(request, max_body_bytes))
        model = find(router, body.model or "").id
        found = await _embedded(request, router, embed_to_request(body, model, client_of(request)))
        return json_response(embeddings(Head(body.model or model, began), found))

    @routes.post("/embeddings", **documented(OllamaEmbeddingsBody))
    async def embed_one(request: Request) -> Response:
        """The older form, with one text."""
        request.state.input_param = "prompt"
        body = parse_body(OllamaEmbeddingsBody, await read_body(request, max_body_bytes))
        model = find(router, body.model or "").id
        asked = embeddings_to_request(body, model, client_of(request))
        return json_response(embedding(await _embedded(request, router, asked)))

    return routes


async def _embedded(request: Request, router: Router, asked: EmbedRequest) -> Embeddings:
    if not asked.inputs:
        return Embeddings((), 0)
    return await embedded(request, router, asked)
