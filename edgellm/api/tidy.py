"""ASGI middleware: requests that mean a route without being exactly it.

A trailing slash is left out, where a redirect would lose the body of some clients' requests. `HEAD`
is answered as `GET` is, without its body.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class TidyRequests:
    """Outermost, so that whoever looks at a path sees the one that is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"].rstrip("/") or "/"
        if scope["method"] == "HEAD":
            tidy = {**scope, "path": path, "method": "GET"}
            await self._app(tidy, receive, _without_body(send))
        else:
            await self._app({**scope, "path": path}, receive, send)


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        is_body = message["type"] == "http.response.body"
        await send({**message, "body": b""} if is_body else message)

    return send_head
