"""Streams over a real socket: what arrives, how they fail; a lost client stops the work."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from edgellm.api.app import create_app
from edgellm.errors import ContextLengthExceeded, EngineCrashed
from edgellm.types import Started, TextDelta
from tests.api.conftest import (
    FINISHED,
    HELLO,
    Hang,
    ScriptedRouter,
    Step,
    serve,
    wait_until,
)

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
COMPLETION = {"prompt": "Once", "stream": True}


def data_of(text: str) -> list[str]:
    """The data of each event; comments (pings) left out."""
    events = [event for event in text.split("\n\n") if event and not event.startswith(":")]
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [event.removeprefix("data: ") for event in events]


def chunks(url: str, body: dict[str, Any], path: str = "/v1/chat/completions") -> list[Any]:
    """The stream's chunks; checks its frame."""
    response = httpx.post(url + path, json=body)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *data, last = data_of(response.text)
    assert last == "[DONE]"
    return [json.loads(item) for item in data]


def test_chat(url: str, router: ScriptedRouter) -> None:
    got = chunks(url, CHAT)
    assert [chunk["choices"][0]["delta"] for chunk in got] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in got] == [None] * 3 + ["stop"]
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in got}) == 1
    assert "usage" not in got[0]
    assert got[-1]["timings"]["predicted_n"] == 2
    wait_until(lambda: router.closed == [0])


def test_completion(url: str) -> None:
    got = chunks(url, COMPLETION, "/v1/completions")
    assert [chunk["choices"][0]["text"] for chunk in got] == ["Hel", "lo", ""]
    assert got[-1]["choices"][0]["finish_reason"] == "stop"
    assert {chunk["object"] for chunk in got} == {"text_completion"}


def test_usage_comes_last(url: str) -> None:
    *others, last = chunks(url, {**CHAT, "stream_options": {"include_usage": True}})
    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 12
    assert last["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}


def test_several_choices_share_a_stream(url: str, router: ScriptedRouter) -> None:
    router.script = lambda _r, i: [Started(10), TextDelta("abc"[i]), TextDelta("!"), FINISHED]
    got = chunks(url, {**CHAT, "n": 3, "stream_options": {"include_usage": True}})
    texts = {0: "", 1: "", 2: ""}
    ends = []
    for chunk in got[:-1]:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
        ends += [choice["index"]] if choice["finish_reason"] else []
    assert texts == {0: "a!", 1: "b!", 2: "c!"}
    assert sorted(ends) == [0, 1, 2]
    assert got[-1]["usage"]["completion_tokens"] == 6
    wait_until(lambda: sorted(router.closed) == [0, 1, 2])


def test_an_error_before_the_first_event_has_a_status(url: str, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [ContextLengthExceeded(99, 64)]
    response = httpx.post(f"{url}/v1/chat/completions", json=CHAT)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_one_of_several_prompts_does_not_fit(url: str, router: ScriptedRouter) -> None:
    def script(_request: object, number: int) -> list[Step]:
        return [ContextLengthExceeded(99, 64)] if number == 1 else [Started(1), Hang()]

    router.script = script
    body = {**COMPLETION, "prompt": ["short", "long", "short"]}
    response = httpx.post(f"{url}/v1/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "prompt"
    assert sorted(router.closed) == [0, 1, 2]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineCrashed("It died.", "Try again."), "engine_crashed"),
        (KeyError("x"), "internal_error"),
    ],
)
def test_an_error_in_the_middle_ends_the_stream(
    url: str, router: ScriptedRouter, error: Exception, code: str
) -> None:
    def script(_request: object, number: int) -> list[Step]:
        first = [Started(10), TextDelta("Hel")]
        return [*first, error] if number == 0 else [*first, Hang()]

    router.script = script
    response = httpx.post(f"{url}/v1/chat/completions", json={**CHAT, "n": 2})
    assert response.status_code == 200
    *_, last = data_of(response.text)
    assert json.loads(last)["error"]["code"] == code
    assert "[DONE]" not in response.text
    wait_until(lambda: sorted(router.closed) == [0, 1])


def test_server_goes_on_after_a_failed_stream(url: str, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [Started(10), EngineCrashed("It died.")]
    httpx.post(f"{url}/v1/chat/completions", json=CHAT)
    router.script = lambda _r, _i: HELLO
    assert len(chunks(url, CHAT)) == 4


@pytest.fixture(params=["streamed", "whole", "before the first event"])
def hanging(request: pytest.FixtureRequest, router: ScriptedRouter) -> dict[str, Any]:
    """A body whose answers (two of them) never end."""
    start: list[Step] = [Started(10), TextDelta("Hel")]
    router.script = lambda _r, _i: [*([] if "before" in request.param else start), Hang()]
    return {**CHAT, "n": 2, "stream": request.param != "whole"}


def test_a_client_that_vanishes_stops_the_work(
    url: str, router: ScriptedRouter, hanging: dict[str, Any]
) -> None:
    with send_raw(url, hanging):
        wait_until(lambda: router.num_hanging == 2)
        assert router.closed == []
    wait_until(lambda: sorted(router.closed) == [0, 1])
    router.script = lambda _r, _i: HELLO
    assert len(chunks(url, CHAT)) == 4


def test_a_client_that_vanishes_while_it_does_not_read(url: str, router: ScriptedRouter) -> None:
    """The body is then stuck in sending, not in waiting for an event."""
    router.script = lambda _r, _i: [Started(1), *[TextDelta("x" * 65536)] * 400, Hang()]
    with send_raw(url, CHAT):
        wait_until(lambda: router.num_hanging == 1)
        assert router.closed == []
    wait_until(lambda: router.closed == [0])


def send_raw(url: str, body: dict[str, Any]) -> socket.socket:
    """A request on a bare socket, whose closing is the client's death."""
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port))
    client.sendall(head.encode() + content)
    return client


def test_closing_the_response_early_stops_the_work(url: str, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [Started(10), TextDelta("Hel"), Hang()]
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=CHAT) as response:
        first = next(response.iter_lines())
    assert json.loads(first.removeprefix("data: "))["choices"][0]["delta"]["role"] == "assistant"
    wait_until(lambda: router.closed == [0])


def test_the_answer_to_too_large_a_body_can_be_read(router: ScriptedRouter) -> None:
    with serve(create_app(router, max_body_bytes=1000)) as url:
        body = {"messages": [{"role": "user", "content": "x" * 20_000_000}]}
        response = httpx.post(f"{url}/v1/chat/completions", json=body)
        assert response.status_code == 413
        assert len(chunks(url, CHAT)) == 4


def test_two_apps_at_once_in_two_loops() -> None:
    routers = [ScriptedRouter(), ScriptedRouter()]
    with serve(create_app(routers[0])) as one, serve(create_app(routers[1])) as two:
        for url in (one, two, one):
            assert len(chunks(url, CHAT)) == 4
    assert [len(router.requests) for router in routers] == [2, 1]


def test_an_app_outlives_its_loop(router: ScriptedRouter) -> None:
    app = create_app(router)
    for _ in range(2):
        with serve(app) as url:
            assert len(chunks(url, CHAT)) == 4


def test_many_streams_at_once(url: str, router: ScriptedRouter) -> None:
    def script(request: Any, _number: int) -> list[Step]:
        return [Started(1), *(TextDelta(c) for c in request.messages[0].content), FINISHED]

    router.script = script
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]

    async def ask(client: httpx.AsyncClient, word: str) -> str:
        body = {"messages": [{"role": "user", "content": word}], "stream": True}
        response = await client.post(f"{url}/v1/chat/completions", json=body)
        got = [json.loads(item) for item in data_of(response.text)[:-1]]
        return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in got)

    async def ask_all() -> list[str]:
        async with httpx.AsyncClient() as client:
            return await asyncio.gather(*(ask(client, word) for word in words))

    assert asyncio.run(ask_all()) == words
