"""OpenAI's dialect: the routes. The translations are pure and live beside this."""

from __future__ import annotations

from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.api.body import read_body
from edgellm.api.documented import EVENTS, documented
from edgellm.api.openai.chat import ChatStream, chat_completion
from edgellm.api.openai.completions import CompletionStream, completion
from edgellm.api.openai.output import Json, new_head
from edgellm.api.openai.request import chat_to_requests, completion_to_requests
from edgellm.api.openai.schema import ChatCompletionBody, CompletionBody, SamplingFields
from edgellm.api.openai.tools import is_legacy
from edgellm.api.replies import client_of, json_response, stream, whole
from edgellm.api.validation import parse_body
from edgellm.serving.router import Router
from edgellm.types import ModelStatus

Body = TypeVar("Body", bound=SamplingFields)

# What a client that lists models wants to know of each: could it answer at once?
LIST_WORDS = {"stopped": "available", "waiting": "loading", "starting": "loading"}


def openai_routes(router: Router, max_body_bytes: int, prefix: str = "/v1") -> APIRouter:
    """Chat, completions and models, answered by `router`."""
    routes = APIRouter(prefix=prefix, tags=["OpenAI"], include_in_schema=bool(prefix))

    @routes.post("/chat/completions", **documented(ChatCompletionBody, streams=EVENTS))
    async def chat_completions(request: Request) -> Response:
        body, model = await read(request, ChatCompletionBody)
        requests = chat_to_requests(body, model, client_of(request, body.user))
        head, n = new_head("chatcmpl", model, is_legacy=is_legacy(body)), len(requests)
        if body.stream:
            writer = ChatStream(head, n, _includes_usage(body))
            return await stream(request, router, requests, writer)
        return await whole(request, router, requests, lambda es: chat_completion(head, n, es))

    @routes.post("/completions", **documented(CompletionBody, streams=EVENTS))
    async def completions(request: Request) -> Response:
        request.state.input_param = "prompt"
        body, model = await read(request, CompletionBody)
        requests = completion_to_requests(body, model, client_of(request, body.user))
        head, n = new_head("cmpl", model), body.n or 1
        if body.stream:
            writer = CompletionStream(head, n, _includes_usage(body))
            return await stream(request, router, requests, writer)
        num = len(requests)
        return await whole(request, router, requests, lambda es: completion(head, num, n, es))

    @routes.get("/models")
    async def list_models() -> Response:
        return json_response({"object": "list", "data": [to_model(m) for m in router.statuses()]})

    @routes.get("/models/{model_id:path}")
    async def retrieve_model(model_id: str) -> Response:
        return json_response(to_model(router.status(model_id)))

    async def read(request: Request, kind: type[Body]) -> tuple[Body, str]:
        """The valid body, and the id of the model that it asks for. Raises RequestError."""
        body = parse_body(kind, await read_body(request, max_body_bytes))
        return body, router.status(body.model or "").id

    return routes


def to_model(status: ModelStatus) -> Json:
    """An entry of `/v1/models`; `status` and `meta` are ours."""
    return {
        "id": status.id,
        "object": "model",
        "created": status.created,
        "owned_by": "edgellm",
        "status": {"value": LIST_WORDS.get(status.state, "loaded"), "error": status.error},
        "meta": {
            "context": status.context,
            "capabilities": status.capabilities,
            "description": status.description,
            "size_bytes": status.size_bytes,
            "state": status.state,
            "aliases": status.aliases,
        },
    }


def _includes_usage(body: SamplingFields) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)
