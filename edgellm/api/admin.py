"""Loading, unloading and pinning models over HTTP.

There is no authentication yet, so only clients on this device may do it, unless the server was
told otherwise. A browser on this device is such a client too, whatever page it shows: requests
that a page of another site sends, or that came through a proxy, are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request
from msgspec import Struct
from starlette.responses import Response

from edgellm.api.body import read_body, unless_disconnected
from edgellm.api.validation import to_keep_alive
from edgellm.errors import AdminRefused, InvalidRequest
from edgellm.serving.router import Router
from edgellm.types import ModelStatus

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
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
        is_open: whether clients on other devices may use them.
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
        peer = request.client.host if request.client else ""
        if not is_open:
            check_is_local(peer, request.headers)

    return routes


def check_is_local(peer: str, headers: Mapping[str, str]) -> None:
    """Raises AdminRefused for a client that is not on this device, or not its own master.

    A page of another site has that site's origin; one whose name was made to lead here (DNS
    rebinding) has a host that is no address and no local name.
    """
    host = urlsplit("//" + headers.get("host", "")).hostname or ""
    origin = headers.get("origin")
    if not _is_loopback(peer) or any(name in headers for name in _FORWARDED):
        raise AdminRefused(
            "Models are managed from this device only.",
            "Run the command there, or start the server with --admin-from anywhere.",
        )
    if not _is_local_name(host) or (origin and urlsplit(origin).netloc != headers.get("host")):
        raise AdminRefused(
            "Models are not managed by web pages of other sites.",
            "Use edgellm ps, load and stop, or start the server with --admin-from anywhere.",
        )


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_local_name(host: str) -> bool:
    """An address, or a name that no public DNS server answers for."""
    try:
        ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost"))
    return True


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
