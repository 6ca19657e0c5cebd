"""From requests to the router's answers and on to an HTTP response: alike in every dialect.

A dialect brings the requests and knows how its answers are written, whole or as a stream.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence

import msgspec
from fastapi import Request
from starlette.responses import Response

from edgellm.api.answers import Answers, Indexed
from edgellm.api.body import unless_disconnected
from edgellm.api.sse import (
    SSE,
    AnswerStream,
    StreamFormat,
    StreamWriter,
    has_started,
    obstacle_of,
)
from edgellm.api.validation import bad_value
from edgellm.serving.admission import CHARS_PER_TOKEN
from edgellm.serving.desk import Desk
from edgellm.serving.router import Router
from edgellm.types import (
    Embeddings,
    EmbedRequest,
    GenerateRequest,
    RerankRequest,
    Sampling,
    Scores,
)

WAIT_HEADER = "X-EdgeLLM-Wait"
MOST_RECKONED = 100_000  # tokens of work that is no answer, in the reckoning of the queue
TIMEOUT_HEADER = "X-Request-Timeout"


def client_of(request: Request, user: object = None) -> str:
    """Whose turn a request takes when several wait: the key's, from wherever it is used; without
    one the peer's, and the user's that it names."""
    key = request.scope.get("state", {}).get("key_name", "")
    if key:
        return f"key {key}"  # and no name of a user with it, or a key could have many turns
    peer = request.client.host if request.client else ""
    return f"{peer} {user}" if isinstance(user, str) else peer


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


def deadline_of(request: Request) -> float | None:
    """Seconds after which nobody wants the answer any more. Raises InvalidRequest.

    Not `x-stainless-timeout`, though the SDKs send it: it is how long they wait for a sign of life,
    ten minutes unless somebody set it, and begins anew with each piece of a stream. An answer that
    takes longer than that on a small board would be cut off, though its client waits for it.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise bad_value(TIMEOUT_HEADER, "a number of seconds above 0", text)
    return seconds


async def stream(
    request: Request,
    router: Router,
    requests: list[GenerateRequest],
    writer: StreamWriter,
    form: StreamFormat = SSE,
) -> Response:
    """A stream, once every prompt is accepted, or the model takes its time to load and the format
    has comments to say so."""
    answers, model = _begin(request, requests), requests[0].model

    def obstacle() -> str | None:
        return obstacle_of(router.status(model)) if form.has_comments else None

    try:
        is_started = await unless_disconnected(request, has_started(answers, obstacle))
    except BaseException:
        await answers.aclose()
        raise
    return AnswerStream(answers, writer, None if is_started else obstacle, form)  # it closes them


async def whole(
    request: Request,
    router: Router,  # noqa: ARG001  (dialects call both alike)
    requests: list[GenerateRequest],
    to_json: Callable[[Sequence[Indexed]], object],
) -> Response:
    """One JSON document, once all answers are complete."""
    answers = _begin(request, requests)

    async def collect() -> list[Indexed]:
        return [item async for item in answers]

    try:
        events = await unless_disconnected(request, collect())
    finally:
        await answers.aclose()
    return json_response(to_json(events))


def json_response(data: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(data), status, media_type="application/json")


def _begin(request: Request, requests: list[GenerateRequest]) -> Answers:
    """Raises QueueFull, DeadlineExceeded."""
    desk: Desk = request.app.state.desk
    can_wait, deadline = may_wait(request), deadline_of(request)
    replace = msgspec.structs.replace
    visit = desk.admit(
        [replace(each, may_wait=can_wait, deadline_seconds=deadline) for each in requests]
    )
    return Answers(visit.generators, deadline, visit.close)


async def embedded(request: Request, router: Router, asked: EmbedRequest) -> Embeddings:
    """Vectors, for which the client waits in the model's queue as for an answer. Raises QueueFull
    and what `router.embed` raises."""
    asked = msgspec.structs.replace(asked, may_wait=may_wait(request))
    size = sum(map(len, asked.inputs))
    with _place(request, asked.model, asked.client, size):
        return await unless_disconnected(request, router.embed(asked))


async def ranked(request: Request, router: Router, asked: RerankRequest) -> Scores:
    """Scores, for which the client waits as for an answer. Raises QueueFull and what
    `router.rerank` raises."""
    asked = msgspec.structs.replace(asked, may_wait=may_wait(request))
    size = sum(len(asked.query) + len(document) for document in asked.documents)
    with _place(request, asked.model, asked.client, size):
        return await unless_disconnected(request, router.rerank(asked))


def _place(
    request: Request, model: str, client: str, num_chars: int
) -> contextlib.AbstractContextManager[None]:
    """A place in the queue for work that is no answer."""
    desk: Desk = request.app.state.desk
    like = GenerateRequest(
        model,
        prompt=(0,) * min(num_chars // CHARS_PER_TOKEN + 1, MOST_RECKONED),
        sampling=Sampling(max_tokens=1),
        client=client,
    )
    return desk.hold([like])
