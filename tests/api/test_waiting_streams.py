"""Streams whose model has to be loaded first: when the status leaves, and what is said."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Iterator

import httpx
import msgspec
import pytest

from edgellm.api import sse
from edgellm.api.app import create_app
from edgellm.api.sse import comment, obstacle_of
from edgellm.errors import ContextLengthExceeded
from edgellm.types import Event, GenerateRequest, ModelState
from tests.api.conftest import READY, ScriptedRouter, serve, wait_until

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}


class LoadingRouter(ScriptedRouter):
    """Answers once its model is ready."""

    num_waiting = 0

    def become(self, state: ModelState, progress: float = 0.0) -> None:
        self.models = (msgspec.structs.replace(READY, state=state, progress=progress),)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        self.num_waiting += 1
        try:
            while self.models[0].state != "ready":
                await asyncio.sleep(0.005)
        finally:
            self.num_waiting -= 1
        async for event in super().generate(request):
            yield event


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, LoadingRouter]]:
    monkeypatch.setattr(sse, "STATUS_SECONDS", 0.1)
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 0.02)
    router = LoadingRouter()
    with serve(create_app(router)) as url:
        yield url, router


def test_what_a_stream_waits_for() -> None:
    def told(state: ModelState, progress: float = 0.0) -> str | None:
        return obstacle_of(msgspec.structs.replace(READY, state=state, progress=progress))

    assert told("ready") is None
    assert told("starting", 0.425) == "loading pocket 42 %"
    assert told("waiting") == "waiting for memory to load pocket"
    assert told("draining") == "waiting for pocket"
    assert comment("two\nlines \r\n") == b": two lines\n\n"


def test_a_stream_that_waits_gets_comments_and_then_its_answer(
    loading: tuple[str, LoadingRouter],
) -> None:
    url, router = loading
    router.become("waiting")
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=CHAT) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert next(lines) == ": waiting for memory to load pocket"
        router.become("starting", 0.42)
        while next(lines) != ": loading pocket 42 %":
            pass
        router.become("ready")
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    texts = [json.loads(item)["choices"][0]["delta"].get("content") for item in data[:-1]]
    assert texts == ["", "Hel", "lo", None]


def test_an_error_after_the_load_is_an_event(loading: tuple[str, LoadingRouter]) -> None:
    url, router = loading
    router.become("starting")
    router.script = lambda _r, _i: [ContextLengthExceeded(99, 64)]
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=CHAT) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        next(lines)
        router.become("ready")
        *_, last = [line for line in lines if line.startswith("data: ")]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "context_length_exceeded"


def test_a_load_that_is_over_soon_leaves_the_status_to_the_prompt(
    loading: tuple[str, LoadingRouter], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, router = loading
    monkeypatch.setattr(sse, "STATUS_SECONDS", 30.0)
    router.become("starting")
    router.script = lambda _r, _i: [ContextLengthExceeded(99, 64)]
    timer = threading.Timer(0.2, router.become, ("ready",))
    timer.start()
    response = httpx.post(f"{url}/v1/chat/completions", json=CHAT)
    timer.join()
    assert response.status_code == 400


def test_a_client_that_leaves_while_it_waits_is_noticed(loading: tuple[str, LoadingRouter]) -> None:
    url, router = loading
    router.become("starting")
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=CHAT) as response:
        lines = response.iter_lines()  # its end would close the connection
        next(lines)
        assert router.num_waiting == 1
    wait_until(lambda: router.num_waiting == 0)
    assert router.requests == []  # it was not even begun
