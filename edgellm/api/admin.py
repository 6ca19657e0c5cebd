"""Loading, unloading and pinning models over HTTP: for an admin's key, or, where no key is needed,
for clients on this device (`auth.py`)."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request
from msgspec import Struct
from starlette.responses import Response

from edgellm.api.auth import check_admin
from edgellm.api.body import read_body, unless_disconnected
from edgellm.api.validation import to_keep_alive
from edgellm.errors import InvalidRequest
from edgellm.serving.router import Router
from edgellm.types import ModelStatus

_MAX_BODY_BYTES = 64 * 1024

Body = TypeVar("Body", bound=Struct)


class LoadBody(Struct, forbid_unknown_fields=True):
    """`pin` and `keep_alive` stay as they are where they are left out."""

    pin: bool | None = None
    keep_alive: Any = None


class UnloadBody(Struct, forbid_unknown_fields=True):
    wait: bool = False  # for running requests; otherwise they are a reason to refuse


class PinBody(Struct, forbid_unknown_fields=True):
    pin: bool = True


def admin_routes(router: Router, *, is_open: bool = False) -> APIRouter:
    """The routes.

    Args:
        is_open: whether clients on other devices may use them without a key.
    """
    routes = APIRouter(prefix="/admin", tags=["admin"])

    @routes.get("/models")
    async def list_models(request: Request) -> Response:
        check(request)
        memory = {"budget_bytes": router.memory_budget_bytes}
        return _json({"models": router.statuses(), "memory": memory})

    @routes.post("/models/{model_id:path}/load")
    async def load(request: Request, model_id: str) -> Response:
        """Answers once the model is loaded."""
        check(request)
        body = await _read(request, LoadBody)
        keep_alive = to_keep_alive(body.keep_alive)
        work = router.load(model_id, is_pinned=body.pin, keep_alive_seconds=keep_alive)
        return _model(await unless_disconnected(request, work))

    @routes.post("/models/{model_id:path}/unload")
    async def unload(request: Request, model_id: str) -> Response:
        """Answers once the model has left memory."""
        check(request)
        body = await _read(request, UnloadBody)
        work = router.unload(model_id, must_wait=body.wait)
        return _model(await unless_disconnected(request, work))

    @routes.post("/models/{model_id:path}/pin")
    async def pin(request: Request, model_id: str) -> Response:
        check(request)
        body = await _read(request, PinBody)
        return _model(router.pin(model_id, is_pinned=body.pin))

    def check(request: Request) -> None:
        check_admin(request, is_open=is_open)

    return routes


async def _read(request: Request, kind: type[Body]) -> Body:
    """The body; an empty one means all defaults. Raises InvalidRequest."""
    raw = await read_body(request, _MAX_BODY_BYTES)
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.DecodeError as error:
        fields = ", ".join(kind.__struct_fields__)
        raise InvalidRequest(
            f"The body of the request cannot be read: {error}.", f"It may have: {fields}."
        ) from None


def _model(status: ModelStatus) -> Response:
    return _json({"model": status})


def _json(data: object) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json")
