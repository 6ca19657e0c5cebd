"""OpenAI's dialect: the routes. The translations are pure and live in `openai_*.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from edgellm.api.answers import Answers, Indexed
from edgellm.api.body import read_body, unless_disconnected
from edgellm.api.openai_chat import ChatStream, chat_completion
from edgellm.api.openai_completions import CompletionStream, completion
from edgellm.api.openai_output import Json, new_head
from edgellm.api.openai_request import chat_to_requests, completion_to_requests
from edgellm.api.openai_schema import ChatCompletionBody, CompletionBody, SamplingFields
from edgellm.api.sse import AnswerStream, StreamWriter, has_started, obstacle_of
from edgellm.api.validation import bad_value, parse_body
from edgellm.serving.router import Router
from edgellm.types import GenerateRequest, ModelStatus

Body = TypeVar("Body", bound=SamplingFields)

WAIT_HEADER = "X-EdgeLLM-Wait"
# What a client that lists models wants to know of each: could it answer at once?
LIST_WORDS = {"stopped": "available", "waiting": "loading", "starting": "loading"}


def openai_routes(router: Router, max_body_bytes: int) -> APIRouter:
    """Chat, completions and models, answered by `router`."""
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.post("/chat/completions", **_documented(ChatCompletionBody))
    async def chat_completions(request: Request) -> Response:
        body, model = await read(request, ChatCompletionBody)
        requests = chat_to_requests(body, model, client_of(request, body))
        head, n = new_head("chatcmpl", model), len(requests)
        if body.stream:
            writer = ChatStream(head, n, _includes_usage(body))
            return await _stream(request, router, requests, writer)
        answers = _begin(request, router, requests)
        return await _whole(request, answers, lambda es: chat_completion(head, n, es))

    @routes.post("/completions", **_documented(CompletionBody))
    async def completions(request: Request) -> Response:
        request.state.input_param = "prompt"
        body, model = await read(request, CompletionBody)
        requests = completion_to_requests(body, model, client_of(request, body))
        head, n = new_head("cmpl", model), body.n or 1
        if body.stream:
            writer = CompletionStream(head, n, _includes_usage(body))
            return await _stream(request, router, requests, writer)
        answers, num = _begin(request, router, requests), len(requests)
        return await _whole(request, answers, lambda es: completion(head, num, n, es))

    @routes.get("/models")
    async def list_models() -> Response:
        return _json({"object": "list", "data": [to_model(m) for m in router.statuses()]})

    @routes.get("/models/{model_id:path}")
    async def retrieve_model(model_id: str) -> Response:
        return _json(to_model(router.status(model_id)))

    async def read(request: Request, kind: type[Body]) -> tuple[Body, str]:
        """The valid body, and the id of the model that it asks for. Raises RequestError."""
        body = parse_body(kind, await read_body(request, max_body_bytes))
        return body, router.status(body.model or "").id

    return routes


def client_of(request: Request, body: SamplingFields) -> str:
    """Whose turn a request takes when several wait: the peer's, and the user's that it names."""
    peer = request.client.host if request.client else ""
    return f"{peer} {body.user}" if isinstance(body.user, str) else peer


def may_wait(request: Request) -> bool:
    """Whether the client waits for a model that has to be loaded, or would rather be told when to
    come back. Raises InvalidRequest."""
    match request.headers.get(WAIT_HEADER, "yes").strip().lower():
        case "yes" | "true" | "1":
            return True
        case "no" | "false" | "0":
            return False
        case other:
            raise bad_value(WAIT_HEADER, "'yes' or 'no'", other)


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
            "description": status.description,
            "size_bytes": status.size_bytes,
            "state": status.state,
            "aliases": status.aliases,
        },
    }


def _begin(request: Request, router: Router, requests: list[GenerateRequest]) -> Answers:
    can_wait = may_wait(request)
    return Answers(
        [router.generate(msgspec.structs.replace(each, may_wait=can_wait)) for each in requests]
    )


async def _stream(
    request: Request, router: Router, requests: list[GenerateRequest], writer: StreamWriter
) -> Response:
    """A stream, once every prompt is accepted, or the model takes its time to load."""
    answers, model = _begin(request, router, requests), requests[0].model

    def obstacle() -> str | None:
        return obstacle_of(router.status(model))

    try:
        is_started = await unless_disconnected(request, has_started(answers, obstacle))
    except BaseException:
        await answers.aclose()
        raise
    return AnswerStream(answers, writer, None if is_started else obstacle)  # it closes them


async def _whole(
    request: Request, answers: Answers, to_json: Callable[[Iterable[Indexed]], Json]
) -> Response:
    async def collect() -> list[Indexed]:
        return [item async for item in answers]

    try:
        events = await unless_disconnected(request, collect())
    finally:
        await answers.aclose()
    return _json(to_json(events))


def _includes_usage(body: SamplingFields) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


def _documented(kind: type[SamplingFields]) -> dict[str, Any]:
    """For /docs only: the body is read and validated by us, not by FastAPI."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    content = {"application/json": {"schema": schema}}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


def _json(data: object) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json")
