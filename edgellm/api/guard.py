"""The wall in front of every route: the size of the head, the Host, the key, the Origin.

It knows nothing of dialects; an error gets its shape in `errors.py`, as all others do.
"""

from __future__ import annotations

from msgspec import Struct, field
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from edgellm.api.auth import identify
from edgellm.api.errors import HeadTooLarge, describe, to_response
from edgellm.api.origins import check_host, check_origin
from edgellm.errors import RequestError
from edgellm.security.key_ring import KeyRing

MAX_HEAD_BYTES = 32 * 1024  # of the request's line and headers
MAX_HEADERS = 100


class Access(Struct, frozen=True):
    """Who may use a server: by default everyone who reaches it by a local name."""

    keys: KeyRing = field(default_factory=KeyRing)
    allowed_hosts: tuple[str, ...] = ()  # further names of the server; patterns, in lower case


class Guard:
    """ASGI middleware that answers itself what may not go further."""

    def __init__(self, app: ASGIApp, access: Access, cors_origins: tuple[str, ...]) -> None:
        self._app = app
        self._access = access
        self._cors_origins = cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                admit(scope, self._access, self._cors_origins)
            except RequestError as error:
                await to_response(describe(error), scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def admit(scope: Scope, access: Access, cors_origins: tuple[str, ...]) -> None:
    """Raises HeadTooLarge, HostRefused, KeyRefused or OriginRefused."""
    headers = Headers(scope=scope)
    check_head(scope)
    check_host(headers.get("host"), access.allowed_hosts)
    identify(scope, access.keys)
    if not scope["state"]["key_name"]:
        check_origin(scope["method"], headers, cors_origins)


def check_head(scope: Scope) -> None:
    """A head that comes in one piece is parsed whatever its size, so it is measured here."""
    fields = scope["headers"]
    num_bytes = len(scope["path"]) + len(scope["query_string"])
    num_bytes += sum(len(name) + len(value) for name, value in fields)
    if len(fields) > MAX_HEADERS or num_bytes > MAX_HEAD_BYTES:
        raise HeadTooLarge(
            f"The head of the request has {num_bytes} bytes in {len(fields)} headers.",
            f"This server reads {MAX_HEAD_BYTES} bytes in {MAX_HEADERS} headers.",
        )
