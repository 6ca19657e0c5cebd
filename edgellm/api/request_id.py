"""A name for each request, which its answer carries: in the header `request-id`, and in the errors
of dialects that have a field for it."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "request-id"
_KEY = "request_id"


class RequestIds:
    """ASGI middleware: names requests, and writes the names into the answers' headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id_ = scope.setdefault("state", {})[_KEY] = f"req_{secrets.token_hex(12)}"

        async def named_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = id_
            await send(message)

        await self._app(scope, receive, named_send)


def request_id(scope: Scope) -> str:
    """The name of the request; empty where nobody gave it one."""
    id_: str = scope.get("state", {}).get(_KEY, "")
    return id_
