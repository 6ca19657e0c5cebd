"""`AnswerStream` against hand-made ASGI channels: pings, shutdown, a body that never began."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import anyio
import pytest
from sse_starlette.sse import AppStatus

from edgellm.api import sse
from edgellm.api.answers import Answers
from edgellm.api.openai.chat import ChatStream
from edgellm.api.openai.output import Head
from edgellm.api.sse import AnswerStream, frame
from edgellm.types import GenerateRequest, Started, TextDelta
from tests.api.conftest import Hang, ScriptedRouter

SCOPE = {"type": "http", "method": "POST"}
REQUEST = GenerateRequest("pocket", prompt="x")
HEAD = Head("chatcmpl-0", 1_700_000_000, "pocket")


async def started(router: ScriptedRouter) -> AnswerStream:
    answers = Answers([router.generate(REQUEST)])
    await answers.start()
    return AnswerStream(answers, ChatStream(HEAD))


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def test_frame_is_compact_and_one_line() -> None:
    assert frame({"a": "1\n2", "b": [1, None]}) == b'data: {"a":"1\\n2","b":[1,null]}\n\n'


def test_pings_are_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_PING_SECONDS", 0.01)
    router = ScriptedRouter([Started(1), Hang()])

    async def run() -> None:
        pings = 0
        enough = asyncio.Event()

        async def send(message: Any) -> None:
            nonlocal pings
            pings += message.get("body") == b": ping\n\n"
            if pings == 3:
                enough.set()

        async def receive() -> dict[str, Any]:
            await enough.wait()
            return {"type": "http.disconnect"}

        await (await started(router))(SCOPE, receive, send)

    anyio.run(run)
    assert router.closed == [0]


def test_shutdown_is_told_to_open_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    router = ScriptedRouter([Started(1), TextDelta("Hel"), Hang()])
    sent = b""

    async def run() -> None:
        async def send(message: Any) -> None:
            nonlocal sent
            sent += message.get("body", b"")
            if b"Hel" in sent:
                monkeypatch.setattr(AppStatus, "should_exit", True)

        await (await started(router))(SCOPE, never, send)

    anyio.run(run)
    assert sent.endswith(b"\n\n")
    assert b'"code":"engine_busy"' in sent
    assert b"The server is shutting down." in sent
    assert b"[DONE]" not in sent
    assert router.closed == [0]


def test_a_body_that_never_began_is_closed_too() -> None:
    router = ScriptedRouter([Started(1), Hang()])

    async def run() -> None:
        async def send(_message: Any) -> None:
            raise OSError("the socket is gone")

        response = await started(router)
        with contextlib.suppress(OSError):
            await response(SCOPE, never, send)

    anyio.run(run)
    assert router.closed == [0]


def test_a_cancelled_request_is_closed() -> None:
    router = ScriptedRouter([Started(1), Hang()])

    async def run() -> None:
        async def send(_message: Any) -> None:
            return None

        response = await started(router)
        task = asyncio.ensure_future(response(SCOPE, never, send))
        while not router.num_hanging:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    anyio.run(run)
    assert router.closed == [0]


def test_closing_in_a_cancelled_scope_is_not_cut_short() -> None:
    """Middlewares run the app in such scopes, which cancel again at every await."""
    router = ScriptedRouter([Started(1), Hang()])

    async def run() -> None:
        async def send(_message: Any) -> None:
            return None

        response = await started(router)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(response, SCOPE, never, send)
            while not router.num_hanging:
                await asyncio.sleep(0)
            tasks.cancel_scope.cancel()
        assert router.closed == [0]

    anyio.run(run)


def test_closing_twice_lets_the_first_one_finish() -> None:
    router = ScriptedRouter([Started(1), Hang()])

    async def run() -> None:
        answers = Answers([router.generate(REQUEST)])
        await answers.start()
        while not router.num_hanging:
            await asyncio.sleep(0)
        await asyncio.gather(answers.aclose(), answers.aclose())

    anyio.run(run)
    assert router.closed == [0]
