"""Streams of lines: the same transport as events, without comments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from sse_starlette.sse import AppStatus

from edgellm.api import sse
from edgellm.api.answers import Answers
from edgellm.api.ndjson import NDJSON, line, line_stream
from edgellm.api.ollama.answers import OllamaStream
from edgellm.api.ollama.output import Head
from edgellm.api.sse import AnswerStream
from edgellm.types import GenerateRequest, Started, TextDelta
from tests.api.conftest import Hang, ScriptedRouter
from tests.api.test_sse import SCOPE, never

REQUEST = GenerateRequest("pocket", prompt="x")


def test_a_line_is_one_line() -> None:
    assert line({"a": "1\n2"}) == b'{"a":"1\\n2"}\n'


def test_no_pings_and_an_error_at_the_server_s_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_PING_SECONDS", 0.01)
    router = ScriptedRouter([Started(1), TextDelta("Hel"), Hang()])
    sent: list[bytes] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))
            if b"Hel" in sent[-1]:
                await asyncio.sleep(0.05)  # time for pings, if there were any
                monkeypatch.setattr(AppStatus, "should_exit", True)

        answers = Answers([router.generate(REQUEST)])
        await answers.start()
        stream = AnswerStream(answers, OllamaStream(Head("m", 0.0), "generate"), form=NDJSON)
        await stream(SCOPE, never, send)

    anyio.run(run)
    lines = b"".join(sent).splitlines()
    assert len(lines) == 2
    assert lines[1] == b'{"error":"The server is shutting down."}'
    assert router.closed == [0]


def test_lines_are_cancelled_when_the_client_leaves() -> None:
    was_closed = False

    async def lines() -> AsyncGenerator[bytes, None]:
        nonlocal was_closed
        try:
            yield b"{}\n"
            await asyncio.Event().wait()
        finally:
            was_closed = True

    async def run() -> None:
        begun = asyncio.Event()

        async def send(message: Any) -> None:
            if message.get("body"):
                begun.set()

        async def receive() -> dict[str, Any]:
            await begun.wait()
            return {"type": "http.disconnect"}

        await line_stream(lines())(SCOPE, receive, send)

    anyio.run(run)
    assert was_closed
