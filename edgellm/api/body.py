"""Reading a request's body within a limit, and noticing that its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from edgellm.api.errors import BodyTooLarge

Result = TypeVar("Result")

_MAX_DISCARDED_BYTES = 256 * 2**20


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises BodyTooLarge, ClientDisconnect.

    A body that is too large is still read and thrown away, within reason: answering before the
    client has sent it all resets the connection, and the client never sees why.
    """
    chunks: list[bytes] = []
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes <= max_bytes:
            chunks.append(chunk)
        else:
            chunks.clear()
        if num_bytes > max_bytes + _MAX_DISCARDED_BYTES:
            break
    if num_bytes > max_bytes:
        raise BodyTooLarge(max_bytes)
    return b"".join(chunks)


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, or ClientDisconnect, with `work` cancelled, once the client is gone.

    The request's body must have been read: what its channel says next is that the client left.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
