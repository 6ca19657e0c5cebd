"""A router that follows a script, and two ways to reach an app: in memory, and over a socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from edgellm.api.app import create_app
from edgellm.errors import ModelNotFound
from edgellm.serving.router import Router
from edgellm.types import (
    Embeddings,
    EmbedRequest,
    Event,
    Finished,
    GenerateRequest,
    ModelStatus,
    RerankRequest,
    Scores,
    Started,
    TextDelta,
    Timings,
    Usage,
)

USAGE = Usage(prompt_tokens=10, completion_tokens=2, cached_tokens=4)
TIMINGS = Timings(queue_seconds=0.001, prefill_seconds=0.02, decode_seconds=0.1)
FINISHED = Finished("stop", USAGE, TIMINGS)
HELLO = (Started(10), TextDelta("Hel"), TextDelta("lo"), FINISHED)
READY = ModelStatus("pocket", "ready", 1_700_000_000, aliases=("tiny",), context=2048, parallel=4)


class Hang:
    """A step that waits until the answer is cancelled."""


Step = Event | Exception | Hang
Script = Callable[[GenerateRequest, int], Sequence[Step]]


class ScriptedRouter(Router):
    """Plays `script(request, number)` as the answer, and records what it was asked and what ended.

    A step is an event to yield, an exception to raise, or `Hang()`.
    """

    def __init__(self, script: Script | Sequence[Step] = HELLO) -> None:
        self.script = script if callable(script) else lambda _request, _number: script
        self.models: tuple[ModelStatus, ...] = (READY,)
        self.requests: list[GenerateRequest] = []
        self.embed_requests: list[EmbedRequest] = []
        self.rerank_requests: list[RerankRequest] = []
        self.closed: list[int] = []
        self.num_hanging = 0
        self.admin_calls: list[tuple[object, ...]] = []
        self.admin_error: Exception | None = None

    @property
    def memory_budget_bytes(self) -> int | None:
        return 1000

    async def load(
        self, name: str, *, is_pinned: bool | None = None, keep_alive_seconds: float | None = None
    ) -> ModelStatus:
        return self._administer("load", name, is_pinned, keep_alive_seconds)

    async def unload(self, name: str, *, must_wait: bool = False) -> ModelStatus:
        return self._administer("unload", name, must_wait)

    def pin(self, name: str, *, is_pinned: bool) -> ModelStatus:
        return self._administer("pin", name, is_pinned)

    def _administer(self, verb: str, name: str, *arguments: object) -> ModelStatus:
        self.admin_calls.append((verb, name, *arguments))
        if self.admin_error is not None:
            raise self.admin_error
        return self.status(name)

    async def count_tokens(self, request: GenerateRequest) -> int:
        return len((await self.render(request)).split())

    async def render(self, request: GenerateRequest) -> str:
        if request.prompt is not None:
            return str(request.prompt)
        return "\n".join(f"{turn.role}: {turn.content}" for turn in request.messages)

    async def tokenize(
        self, model: str, text: str, *, add_special: bool = False, parse_special: bool = True
    ) -> tuple[int, ...]:
        return (*((1,) if add_special else ()), *text.encode())

    async def detokenize(self, model: str, tokens: tuple[int, ...]) -> str:
        return bytes(tokens).decode("utf-8", "replace")

    async def token_texts(self, model: str, tokens: tuple[int, ...]) -> tuple[bytes, ...]:
        return tuple(bytes([token]) for token in tokens)

    async def prompt_tokens(self, request: GenerateRequest) -> tuple[int, ...]:
        return tuple((await self.render(request)).encode())

    async def embed(self, request: EmbedRequest) -> Embeddings:
        self.embed_requests.append(request)
        return Embeddings(((0.6, 0.8),) * len(request.inputs), 3 * len(request.inputs))

    async def rerank(self, request: RerankRequest) -> Scores:
        self.rerank_requests.append(request)
        scores = tuple(float(len(text)) for text in request.documents)
        return Scores(scores, 3 * len(scores))

    def statuses(self) -> tuple[ModelStatus, ...]:
        return self.models

    def status(self, name: str) -> ModelStatus:
        for model in self.models:
            if name in ("", "auto", "default", model.id, *model.aliases):
                return model
        raise ModelNotFound(name, tuple(model.id for model in self.models))

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        number = len(self.requests)
        self.requests.append(request)
        try:
            for step in self.script(request, number):
                match step:
                    case Exception():
                        raise step
                    case Hang():
                        self.num_hanging += 1
                        await asyncio.Event().wait()
                    case event:
                        await asyncio.sleep(0)
                        yield event
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.01)  # cleaning up takes the loop's time, as Cancel does
            self.closed.append(number)


class InMemory:
    """A client of an app without a socket or a thread, for answers that are not streamed."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, url, **arguments)

        return anyio.run(send)

    def get(self, url: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", url, **arguments)

    def post(self, url: str, json: object = None, **arguments: Any) -> httpx.Response:
        return self.request("POST", url, json=json, **arguments)

    def chat(self, **fields: Any) -> httpx.Response:
        body = {"messages": [{"role": "user", "content": "Hi"}], **fields}
        return self.post("/v1/chat/completions", body)

    def complete(self, **fields: Any) -> httpx.Response:
        return self.post("/v1/completions", {"prompt": "Once", **fields})


@pytest.fixture
def router() -> ScriptedRouter:
    return ScriptedRouter()


@pytest.fixture
def client(router: ScriptedRouter) -> InMemory:
    return InMemory(create_app(router))


@contextmanager
def serve(app: FastAPI, **options: Any) -> Iterator[str]:
    """A real uvicorn on a free port, in a thread with its own loop. Gives the base URL.

    Args:
        options: more of `uvicorn.Config`.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@pytest.fixture
def url(router: ScriptedRouter) -> Iterator[str]:
    with serve(create_app(router)) as base_url:
        yield base_url


def wait_until(condition: Callable[[], object]) -> None:
    """Returns as soon as `condition()` holds; fails only when it never does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
