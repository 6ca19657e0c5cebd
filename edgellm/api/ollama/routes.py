"""Ollama's dialect: the routes that answer with a model, and all others with them. The translations
are pure and live beside this."""

from __future__ import annotations

import time
from functools import partial
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.api.auth import check_admin
from edgellm.api.body import read_body
from edgellm.api.documented import LINES, documented
from edgellm.api.ollama.asked import Asked, reply
from edgellm.api.ollama.embed_routes import embed_routes
from edgellm.api.ollama.library_routes import library_routes
from edgellm.api.ollama.model_routes import model_routes
from edgellm.api.ollama.names import find
from edgellm.api.ollama.request import chat_to_request, generate_to_request
from edgellm.api.ollama.schema import OllamaChatBody, OllamaGenerateBody
from edgellm.api.replies import client_of
from edgellm.api.validation import parse_body
from edgellm.serving.library import Library
from edgellm.serving.router import Router

Body = TypeVar("Body", OllamaChatBody, OllamaGenerateBody)


def ollama_routes(
    router: Router, library: Library, max_body_bytes: int, *, is_admin_open: bool = False
) -> APIRouter:
    """Chat, generate, embeddings, and the models themselves.

    Args:
        is_admin_open: whether clients on other devices may pull and delete models.
    """
    routes = APIRouter(prefix="/api", tags=["Ollama"])
    check = partial(check_admin, is_open=is_admin_open)

    @routes.post("/chat", **documented(OllamaChatBody, streams=LINES))
    async def chat(request: Request) -> Response:
        began = time.monotonic()
        body, model = await read(request, OllamaChatBody)
        wanted = chat_to_request(body, model, client_of(request))
        asked = Asked("chat", body, wanted, began, is_empty=not wanted.messages)
        return await reply(request, router, asked, check)

    @routes.post("/generate", **documented(OllamaGenerateBody, streams=LINES))
    async def generate(request: Request) -> Response:
        began = time.monotonic()
        request.state.input_param = "prompt"
        body, model = await read(request, OllamaGenerateBody)
        wanted = generate_to_request(body, model, client_of(request))
        is_empty = not (body.prompt or body.suffix)
        asked = Asked("generate", body, wanted, began, is_empty=is_empty)
        return await reply(request, router, asked, check)

    async def read(request: Request, kind: type[Body]) -> tuple[Body, str]:
        """The valid body, and the id of the model that it asks for. Raises RequestError."""
        body = parse_body(kind, await read_body(request, max_body_bytes))
        return body, find(router, body.model or "").id

    routes.include_router(embed_routes(router, max_body_bytes))
    routes.include_router(model_routes(router, library))
    routes.include_router(library_routes(router, library, check))
    return routes
