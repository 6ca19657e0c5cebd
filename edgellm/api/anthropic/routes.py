"""Anthropic's dialect: the routes. The translations are pure and live beside this."""

from __future__ import annotations

from typing import TypeVar

from fastapi import APIRouter, Request
from msgspec.structs import replace
from starlette.responses import Response

from edgellm.api.anthropic.events import new_head
from edgellm.api.anthropic.message import to_message
from edgellm.api.anthropic.models import AnthropicsOwn, to_model, to_models
from edgellm.api.anthropic.request import to_prompt, to_request
from edgellm.api.anthropic.schema import CountTokensBody, MessagesBody, PromptFields
from edgellm.api.anthropic.stream import MessageStream
from edgellm.api.body import read_body, unless_disconnected
from edgellm.api.documented import EVENTS, documented
from edgellm.api.replies import client_of, json_response, may_wait, stream, whole
from edgellm.api.request_id import request_id
from edgellm.api.validation import parse_body
from edgellm.errors import ModelNotFound
from edgellm.serving.router import Router

Body = TypeVar("Body", bound=PromptFields)


def anthropic_routes(router: Router, max_body_bytes: int) -> APIRouter:
    """Messages, their tokens' number, and models, answered by `router`."""
    routes = APIRouter(prefix="/v1", tags=["Anthropic"])

    @routes.post("/messages", **documented(MessagesBody, streams=EVENTS))
    async def messages(request: Request) -> Response:
        body, model = await read(request, MessagesBody)
        user = body.metadata.user_id if body.metadata else None
        asked = to_request(body, model, client_of(request, user))
        head = new_head(model)
        if body.stream:
            writer = MessageStream(head, request_id(request.scope))
            return await stream(request, router, [asked], writer)
        return await whole(request, router, [asked], lambda events: to_message(head, events))

    @routes.post("/messages/count_tokens", **documented(CountTokensBody))
    async def count_tokens(request: Request) -> Response:
        body, model = await read(request, CountTokensBody)
        asked = replace(to_prompt(body, model), may_wait=may_wait(request))
        num_tokens = await unless_disconnected(request, router.count_tokens(asked))
        return json_response({"input_tokens": num_tokens})

    async def read(request: Request, kind: type[Body]) -> tuple[Body, str]:
        """The valid body, and the id of the model that it asks for. Raises RequestError."""
        body = parse_body(kind, await read_body(request, max_body_bytes))
        return body, _resolve(router, body.model or "")

    return routes


def anthropic_model_routes(router: Router) -> APIRouter:
    """What stands before OpenAI's routes of the same addresses."""
    routes = APIRouter(prefix="/v1", route_class=AnthropicsOwn, include_in_schema=False)

    @routes.get("/models")
    async def list_models() -> Response:
        return json_response(to_models(router.statuses()))

    @routes.get("/models/{model_id:path}")
    async def retrieve_model(model_id: str) -> Response:
        return json_response(to_model(router.status(model_id)))

    return routes


def _resolve(router: Router, name: str) -> str:
    """The id of a model. Clients that know Anthropic's models only ask for these."""
    try:
        return router.status(name).id
    except ModelNotFound as error:
        error.hint += " Any name can lead to the served model: edgellm serve --alias NAME."
        raise
