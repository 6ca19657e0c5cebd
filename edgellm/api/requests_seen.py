"""Counts HTTP requests by route, method and status, for `/metrics`.

By the route's template, never by what a client wrote: addresses that lead nowhere share one name.
"""

from __future__ import annotations

from collections import Counter

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestsSeen:
    """`counts` by (method, route, status); status "none" where the answer never began."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, scope: Scope, status: int | None) -> None:
        route: str = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.counts[method, route, "none" if status is None else str(status)] += 1


def count_requests(app: FastAPI) -> RequestsSeen:
    """Count all requests that get past the middleware which is added after this."""
    seen = RequestsSeen()
    app.add_middleware(_Count, seen=seen)
    return seen


class _Count:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, seen: RequestsSeen) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def watched_send(message: Message) -> None:
            nonlocal status
            if status is None:
                status = message.get("status")
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            self._seen.add(scope, status)
