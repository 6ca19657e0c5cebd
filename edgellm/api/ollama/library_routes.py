"""Ollama's routes by which models come and go, and those that this server has no use for.

Pulling and deleting is for administrators (`api/auth.py`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.api.body import read_body, unless_disconnected
from edgellm.api.documented import LINES, documented
from edgellm.api.ndjson import line_stream
from edgellm.api.ollama.asked import AdminCheck
from edgellm.api.ollama.model_routes import MAX_BODY_BYTES
from edgellm.api.ollama.names import find
from edgellm.api.ollama.pull import SUCCESS, pull_lines
from edgellm.api.ollama.schema import OllamaModelBody, OllamaPullBody
from edgellm.api.replies import json_response
from edgellm.api.validation import missing, parse_body, unsupported
from edgellm.serving.library import Library
from edgellm.serving.router import Router
from edgellm.store.progress import Progress

_ELSEWHERE = {
    "/create": "Models are not made here: pull one, or put a GGUF file into the models' folder.",
    "/copy": "Start the server with --alias to give the model another name.",
    "/push": "This server publishes nothing.",
    "/blobs/{digest}": "Put a GGUF file into the models' folder, or pull it.",
}


def library_routes(router: Router, library: Library, check: AdminCheck) -> APIRouter:
    routes = APIRouter()

    @routes.post("/pull", **documented(OllamaPullBody, streams=LINES))
    async def pull(request: Request) -> Response:
        """Several clients that want the same share a download; the last one to leave stops it."""
        check(request)
        body = parse_body(OllamaPullBody, await read_body(request, MAX_BODY_BYTES))
        steps = library.pull(_named(body))
        if body.stream is not False:
            return line_stream(pull_lines(body.asked, steps))
        await unless_disconnected(request, _finish(steps))
        return json_response(SUCCESS)

    @routes.delete("/delete", **documented(OllamaModelBody))
    async def delete(request: Request) -> Response:
        """Not a model that is answering, nor one that the server was started with."""
        check(request)
        body = parse_body(OllamaModelBody, await read_body(request, MAX_BODY_BYTES))
        await library.remove(find(router, _named(body)).id)
        return Response()

    for path, hint in _ELSEWHERE.items():
        refuse = _refusal(path, hint)
        routes.add_api_route(path, refuse, methods=["POST"], include_in_schema=False)
    return routes


async def _finish(steps: AsyncGenerator[Progress, None]) -> None:
    try:
        async for _ in steps:
            pass
    finally:
        await steps.aclose()


def _refusal(path: str, hint: str) -> Callable[[Request], Awaitable[Response]]:
    """A route for what only Ollama itself does."""

    name = path.split("/")[1]

    async def refuse(request: Request) -> Response:
        await read_body(request, MAX_BODY_BYTES)
        raise unsupported(f"/api/{name} is not supported.", hint, "")

    return refuse


def _named(body: OllamaModelBody) -> str:
    """The default model is nothing to pull or to delete."""
    if not body.asked:
        raise missing("model")
    return body.asked
