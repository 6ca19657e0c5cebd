"""OpenAI's Responses API: the routes. The translations are pure and live beside this."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from edgellm.api.body import unless_disconnected
from edgellm.api.documented import EVENTS, documented
from edgellm.api.replies import json_response, stream, whole
from edgellm.api.responses.answer import ResponseAnswer, ResponseStream, whole_response
from edgellm.api.responses.asked import ResponseReader, owner_of
from edgellm.api.responses.head import Json, to_head
from edgellm.api.responses.items import Item, new_id
from edgellm.api.responses.schema import CreateResponseBody
from edgellm.api.responses.store import ResponseStore
from edgellm.api.responses.truncate import fitted
from edgellm.api.validation import shown, unsupported
from edgellm.errors import InvalidRequest
from edgellm.serving.router import Router


def responses_routes(
    router: Router, max_body_bytes: int, store: ResponseStore | None = None
) -> APIRouter:
    """Responses, answered by `router` and kept in `store`, by default one of its own."""
    routes = APIRouter(prefix="/v1/responses", tags=["OpenAI"])
    store = store or ResponseStore()
    reader = ResponseReader(router, store, max_body_bytes)

    @routes.post("", **documented(CreateResponseBody, streams=EVENTS))
    async def create(request: Request) -> Response:
        asked = await reader.read(request)
        head = to_head(asked.body, asked.request.model, new_id("resp"), int(time.time()))
        answer = ResponseAnswer(head, asked.keep)
        generate = asked.request
        if asked.body.truncation == "auto":
            generate = await unless_disconnected(request, fitted(router, generate))
        if asked.body.stream:
            return await stream(request, router, [generate], ResponseStream(answer))
        return await whole(request, router, [generate], lambda es: whole_response(answer, es))

    @routes.post("/input_tokens", **documented(CreateResponseBody))
    async def count(request: Request) -> Response:
        """How many tokens the prompt of a response would have. Generates nothing."""
        asked = await reader.read(request)
        num_tokens = await unless_disconnected(request, router.count_tokens(asked.request))
        return json_response({"object": "response.input_tokens", "input_tokens": num_tokens})

    _add_stored_routes(routes, store)
    return routes


def _add_stored_routes(routes: APIRouter, store: ResponseStore) -> None:
    @routes.get("/{response_id}")
    async def retrieve(request: Request, response_id: str, stream: bool = False) -> Response:
        if stream:
            raise unsupported(
                "A stored response cannot be streamed.", "Retrieve it whole.", "stream"
            )
        found = store.get(response_id, owner_of(request))
        return Response(found.body, media_type="application/json")

    @routes.delete("/{response_id}")
    async def delete(request: Request, response_id: str) -> Response:
        store.delete(response_id, owner_of(request))
        return json_response({"id": response_id, "object": "response", "deleted": True})

    @routes.get("/{response_id}/input_items")
    async def input_items(
        request: Request,
        response_id: str,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        """The conversation that the model was given, the new input included."""
        items = store.get(response_id, owner_of(request)).input_items()
        return json_response(to_page(items, order, after, limit))

    @routes.post("/{response_id}/cancel")
    async def cancel(request: Request, response_id: str) -> Response:
        store.get(response_id, owner_of(request))
        raise InvalidRequest(
            "Only a response that was made with 'background': true can be cancelled.",
            "Close the connection of one that is being made: that ends it.",
            param="response_id",
        )


def to_page(items: list[Item], order: str, after: str | None, limit: int) -> Json:
    """Raises InvalidRequest: `after` is no item of these."""
    if order == "desc":
        items = items[::-1]
    start = 0
    if after is not None:
        ids = [item.id for item in items]
        if after not in ids:
            raise InvalidRequest(f"No item has the id {shown(after)}.", param="after")
        start = ids.index(after) + 1
    page = items[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": start + limit < len(items),
    }
