"""What becomes of a request to `/api/chat` or `/api/generate`: an answer, or a model that is loaded
or let go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fastapi import Request
from msgspec import Struct
from starlette.responses import Response

from edgellm.api.body import unless_disconnected
from edgellm.api.ndjson import NDJSON
from edgellm.api.ollama.answers import Kind, OllamaStream, whole_answer, without_answer
from edgellm.api.ollama.options import warnings_of
from edgellm.api.ollama.output import Head
from edgellm.api.ollama.request import Body
from edgellm.api.replies import json_response, stream, whole
from edgellm.serving.router import Router
from edgellm.types import GenerateRequest

AdminCheck: TypeAlias = Callable[[Request], None]


class Asked(Struct, frozen=True):
    """A request that was understood. `began`: on the steady clock."""

    kind: Kind
    body: Body
    wanted: GenerateRequest
    began: float
    is_empty: bool = False  # there is nothing to answer

    def head(self, router: Router) -> Head:
        model = self.wanted.model

        def warnings() -> list[str]:
            return warnings_of(self.body.options, router.status(model).context)

        return Head(self.body.model or model, self.began, warnings=warnings)


async def reply(request: Request, router: Router, asked: Asked, check: AdminCheck) -> Response:
    """The response, as lines unless the client wants one document."""
    head, kind = asked.head(router), asked.kind
    if asked.is_empty:
        return await _load_or_unload(request, router, asked, check)
    if asked.body.stream is not False:
        return await stream(request, router, [asked.wanted], OllamaStream(head, kind), NDJSON)
    return await whole(request, router, [asked.wanted], lambda es: whole_answer(head, kind, es))


async def _load_or_unload(
    request: Request, router: Router, asked: Asked, check: AdminCheck
) -> Response:
    """A request without anything to answer is how clients warm a model up, or let it go."""
    head, model = asked.head(router), asked.wanted.model
    seconds = asked.wanted.keep_alive_seconds
    if seconds == 0:
        await unless_disconnected(request, _leave(request, router, model, check))
        return json_response(without_answer(head, asked.kind, "unload"))
    await unless_disconnected(request, router.load(model, keep_alive_seconds=seconds))
    return json_response(without_answer(head, asked.kind, "load"))


async def _leave(request: Request, router: Router, model: str, check: AdminCheck) -> None:
    """Anyone may let an idle model go; a pinned one is the administrators'."""
    status = router.status(model)
    if status.is_pinned:
        check(request)
    if status.state != "stopped":
        await router.unload(model)
