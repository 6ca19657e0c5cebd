"""Ollama's routes that tell of models: which there are, which are loaded, what they are."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.api.body import read_body
from edgellm.api.documented import documented
from edgellm.api.ollama.describe import fact_reader
from edgellm.api.ollama.models import OLLAMA_VERSION, Known, is_loaded, known, process, show, tag
from edgellm.api.ollama.names import find
from edgellm.api.ollama.schema import OllamaModelBody
from edgellm.api.replies import json_response
from edgellm.api.validation import parse_body
from edgellm.serving.library import Library
from edgellm.serving.router import Router
from edgellm.types import ModelStatus

MAX_BODY_BYTES = 64 * 1024  # of a body that only names a model


def model_routes(router: Router, library: Library) -> APIRouter:
    routes = APIRouter()
    read_facts = fact_reader()

    @routes.head("/version", include_in_schema=False)
    @routes.get("/version")
    async def version() -> Response:
        """The release of Ollama whose API this is, for clients that need one."""
        return json_response({"version": OLLAMA_VERSION})

    @routes.head("/tags", include_in_schema=False)
    @routes.get("/tags")
    async def tags() -> Response:
        """All models that can be asked."""
        return json_response({"models": [tag(each) for each in await look(router.statuses())]})

    @routes.get("/ps")
    async def ps() -> Response:
        """The models in memory."""
        models = await look(tuple(each for each in router.statuses() if is_loaded(each)))
        now = time.time()
        return json_response({"models": [process(each, now) for each in models]})

    @routes.post("/show", **documented(OllamaModelBody))
    async def show_model(request: Request) -> Response:
        body = parse_body(OllamaModelBody, await read_body(request, MAX_BODY_BYTES))
        (model,) = await look((find(router, body.asked),))
        return json_response(show(model))

    async def look(statuses: tuple[ModelStatus, ...]) -> list[Known]:
        """In a thread: it may read headers."""
        return await asyncio.to_thread(
            lambda: [known(each, library, read_facts) for each in statuses]
        )

    return routes
