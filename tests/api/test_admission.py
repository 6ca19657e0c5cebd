"""429, deadlines and whose turn it is, over HTTP with a scripted router."""

from __future__ import annotations

import threading

import httpx
import pytest
from starlette.requests import Request

from edgellm.api.app import create_app
from edgellm.api.replies import client_of, deadline_of
from edgellm.errors import InvalidRequest
from edgellm.types import GenerateRequest, Started, TextDelta
from tests.api.conftest import HELLO, Hang, InMemory, ScriptedRouter, serve, wait_until

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}
CUT_OFF = (Started(10), TextDelta("Hel"), Hang())


def request(
    headers: dict[str, str] | None = None, key: str | None = None, peer: str = "10.0.0.1"
) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    state = {} if key is None else {"key_name": key}
    return Request({"type": "http", "headers": raw, "client": (peer, 1), "state": state})


def test_a_full_queue_is_a_429_that_says_when() -> None:
    router = ScriptedRouter(lambda _, number: CUT_OFF if number < 5 else HELLO)
    stop = threading.Event()
    running = []
    with serve(create_app(router, queue_limit=1)) as url:
        for _ in range(5):
            running.append(threading.Thread(target=ask_until_closed, args=(url, stop)))
            running[-1].start()
        wait_until(lambda: router.num_hanging == 5)
        refused = httpx.post(f"{url}/v1/chat/completions", json=CHAT)
        stats = httpx.get(f"{url}/v1/stats").json()["models"][0]["queue"]
        stop.set()
        wait_until(lambda: len(router.closed) == 5)
        for thread in running:
            thread.join()
        assert httpx.post(f"{url}/v1/chat/completions", json=CHAT).status_code == 200
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
    assert "Try again" in error["hint"]
    assert stats == {"running": 4, "waiting": 1, "limit": 1}


def ask_until_closed(url: str, stop: threading.Event) -> None:
    with httpx.stream("POST", f"{url}/v1/chat/completions", json={**CHAT, "stream": True}) as reply:
        assert reply.status_code == 200
        stop.wait(30)


def test_all_choices_count_and_none_is_begun() -> None:
    router = ScriptedRouter()
    app = create_app(router, queue_limit=2)
    client = InMemory(app)
    assert client.chat(n=6).status_code == 200
    app.state.desk.admit(
        [GenerateRequest("pocket", prompt="x")]
    )  # with somebody there, it does not fit any more
    refused = client.chat(n=6)
    assert refused.status_code == 429
    assert len(router.requests) == 6


def test_a_whole_answer_that_takes_too_long_is_a_504() -> None:
    router = ScriptedRouter(CUT_OFF)
    reply = InMemory(create_app(router)).post(
        "/v1/chat/completions", CHAT, headers={"X-Request-Timeout": "0.05"}
    )
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "deadline_exceeded"
    assert reply.headers["x-should-retry"] == "false"  # or an SDK would have it computed twice more
    assert "0.05 s has passed" in reply.json()["error"]["message"]
    assert router.closed == [0]


def test_an_answer_that_does_not_even_start_in_time_is_a_504_streamed_or_not() -> None:
    for stream in (False, True):
        router = ScriptedRouter((Hang(),))
        reply = InMemory(create_app(router)).post(
            "/v1/chat/completions",
            {**CHAT, "stream": stream},
            headers={"X-Request-Timeout": "0.05"},
        )
        assert reply.status_code == 504
        assert router.closed == [0]


def test_a_stream_ends_at_its_deadline_with_an_error_event() -> None:
    router = ScriptedRouter(CUT_OFF)
    with serve(create_app(router)) as url:
        reply = httpx.post(
            f"{url}/v1/chat/completions",
            json={**CHAT, "stream": True, "n": 2},
            headers={"X-Request-Timeout": "0.2"},
        )
    assert reply.status_code == 200
    assert '"content":"Hel"' in reply.text
    assert reply.text.count('"code":"deadline_exceeded"') == 1
    assert "[DONE]" not in reply.text
    assert sorted(router.closed) == [0, 1]


def test_a_deadline_that_cannot_be_met_is_refused_before_any_work() -> None:
    router = ScriptedRouter()
    client = InMemory(create_app(router))
    client.chat()
    reply = client.post("/v1/chat/completions", CHAT, headers={"X-Request-Timeout": "0.0001"})
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "deadline_exceeded"
    assert "Retry-After" not in reply.headers  # it is too short for an idle server, too
    assert reply.headers["x-should-retry"] == "false"
    assert len(router.requests) == 1


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf", "1e999"])
def test_a_deadline_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest, match="X-Request-Timeout") as caught:
        deadline_of(request({"X-Request-Timeout": text}))
    assert caught.value.param == "X-Request-Timeout"


def test_the_sdks_own_timeout_is_no_deadline() -> None:
    assert deadline_of(request({"x-stainless-timeout": "600"})) is None
    assert deadline_of(request({"X-Request-Timeout": "1.5"})) == 1.5


def test_a_key_is_one_client_wherever_it_is_used() -> None:
    alone = client_of(request(key="phone"))
    assert alone == client_of(request(key="phone", peer="10.9.9.9"), "a user")
    assert alone != client_of(request(key="laptop"))
    assert alone != client_of(request(peer="phone"))


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_a_client_is_an_address_and_its_user(key: str | None) -> None:
    assert client_of(request(key=key)) == "10.0.0.1"
    assert client_of(request(key=key), "me") == "10.0.0.1 me"
    assert client_of(request(key=key), 7) == "10.0.0.1"
