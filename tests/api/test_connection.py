"""Clients that are slow, silent or too many, on bare sockets, against small limits."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from edgellm.api.app import create_app
from edgellm.api.connection import Limits, connection_class
from edgellm.api.guard import MAX_HEAD_BYTES
from edgellm.security.certificates import make_ca, make_server
from edgellm.security.names import names_of
from edgellm.types import Started, TextDelta
from tests.api.conftest import FINISHED, Hang, ScriptedRouter, serve, wait_until

BODY = json.dumps({"messages": [{"role": "user", "content": "Hi"}]}).encode()
STREAM = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()

Start = Callable[[Limits], str]


@pytest.fixture
def start(router: ScriptedRouter) -> Iterator[Start]:
    """Starts a server with these limits, and gives its URL."""
    with ExitStack() as stack:
        yield lambda limits: stack.enter_context(served(router, limits))


def served(
    router: ScriptedRouter, limits: Limits, certificate: Path | None = None
) -> AbstractContextManager[str]:
    return serve(
        create_app(router),
        ssl_certfile=certificate,
        http=connection_class(limits),
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_graceful_shutdown=1,
    )


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port))
    client.settimeout(30)
    return client


def post(body: bytes, length: int | None = None) -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {length or len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def read_all(client: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    got = b""
    while True:
        try:
            data = client.recv(65536)
        except ConnectionError:
            return got
        if not data:
            return got
        got += data


def test_a_head_that_never_ends(start: Start, router: ScriptedRouter) -> None:
    url = start(Limits(head_seconds=0.2))
    for begun in (b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow"):
        with connect(url) as client:
            client.sendall(begun)
            answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b'"code":"request_timeout"' in answer


def test_bytes_do_not_put_off_a_head_s_end(start: Start) -> None:
    url = start(Limits(head_seconds=0.3))
    with connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        client.settimeout(0.01)
        answer = b""
        while not answer:
            client.sendall(b"X-More: 1\r\n")
            try:
                answer = client.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_connection_that_says_nothing_is_closed_without_a_word(start: Start) -> None:
    with connect(start(Limits(head_seconds=0.2))) as client:
        assert read_all(client) == b""


def test_the_second_head_of_a_connection(start: Start) -> None:
    with connect(start(Limits(head_seconds=0.2))) as client:
        client.sendall(post(BODY))
        first = client.recv(65536)
        assert first.startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /hea")
        assert b"HTTP/1.1 408" in read_all(client)


def test_a_body_that_never_ends(start: Start, router: ScriptedRouter) -> None:
    with connect(start(Limits(body_seconds=0.2, body_bytes_per_second=10**9))) as client:
        client.sendall(post(BODY[:10], len(BODY)))
        assert read_all(client).startswith(b"HTTP/1.1 408")
    assert router.requests == []


def test_a_body_that_comes_fast_enough_may_take_its_time(
    start: Start, router: ScriptedRouter
) -> None:
    """The whole takes longer than `body_seconds`, but no second of it is without its bytes."""
    url = start(Limits(body_seconds=1.0, body_bytes_per_second=10))
    padding = b" " * 100
    with connect(url) as client:
        client.sendall(post(b"", len(BODY) + 60 * len(padding)))
        client.settimeout(0.02)
        for _ in range(60):
            client.sendall(padding)
            with pytest.raises(TimeoutError):
                client.recv(1)
        client.settimeout(30)
        client.sendall(BODY)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_an_answer_may_take_as_long_as_it_likes(start: Start, router: ScriptedRouter) -> None:
    url = start(Limits(head_seconds=0.1, body_seconds=0.1, stalled_seconds=0.1))
    with connect(url) as client:
        client.sendall(post(BODY))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_reader_that_stops_reading_frees_the_engine(start: Start, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [Started(1), *[TextDelta("x" * 10_000)] * 1_000, Hang()]
    url = start(Limits(stalled_seconds=0.5))
    with connect(url) as client:
        client.sendall(post(STREAM))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        wait_until(lambda: router.closed == [0])
        wait_until(lambda: client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def test_a_whole_answer_that_nobody_reads_frees_its_connection(
    start: Start, router: ScriptedRouter
) -> None:
    router.script = lambda _r, _i: [Started(1), TextDelta("x" * 20_000_000), FINISHED]
    with connect(start(Limits(stalled_seconds=0.5))) as client:
        client.sendall(post(BODY))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        wait_until(lambda: client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def test_a_slow_reader_gets_all_of_it(start: Start, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [Started(1), *[TextDelta("x" * 10_000)] * 300, FINISHED]
    with connect(start(Limits(stalled_seconds=2.0))) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(post(STREAM))
        got = b""
        while b"[DONE]" not in got[-100:]:
            got += client.recv(4096)
    assert got.count(b"x" * 10_000) >= 290  # some are cut by the chunks' own lengths


def test_too_many_connections(start: Start) -> None:
    url = start(Limits(max_connections=3))
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(3)]
        for client in clients:
            client.sendall(post(BODY))
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        one_more = stack.enter_context(connect(url))
        answer = read_all(one_more)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"Retry-After: 1\r\n" in answer
        clients[0].close()
        wait_until(lambda: httpx.get(f"{url}/health", timeout=5).status_code == 200)


def test_a_head_that_is_too_long(start: Start) -> None:
    url = start(Limits())
    with connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with pytest.raises(OSError):
            for _ in range(1000):
                client.sendall(b"x" * 10_000)
    with connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES + 10))
        assert read_all(client).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x00\xee\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n"]
)
def test_what_is_not_http(start: Start, data: bytes) -> None:
    with connect(start(Limits())) as client:
        client.sendall(data)
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"code":"invalid_http"' in answer


def test_a_broken_chunk_in_the_middle_of_a_body(start: Start, router: ScriptedRouter) -> None:
    with connect(start(Limits())) as client:
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        client.sendall(head + b"5\r\nhello\r\nnonsense\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 400")
    assert router.requests == []


def test_a_body_that_goes_on_after_its_answer_is_cut(start: Start) -> None:
    url = start(Limits(late_bytes=1000))
    with connect(url) as client:
        client.sendall(post(b"", 10**9).replace(b"/v1/chat/completions", b"/nowhere"))
        assert client.recv(65536).startswith(b"HTTP/1.1 404")
        with pytest.raises(OSError):
            for _ in range(10_000):
                client.sendall(b"x" * 10_000)


def test_a_body_that_stops_after_its_answer_is_cut(start: Start) -> None:
    url = start(Limits(body_seconds=0.2))
    with connect(url) as client:
        client.sendall(post(b"", 10**9).replace(b"/v1/chat/completions", b"/nowhere"))
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.count(b"HTTP/1.1") == 1


def test_pipelined_requests_are_answered_in_turn(start: Start, router: ScriptedRouter) -> None:
    with connect(start(Limits(head_seconds=0.5))) as client:
        client.sendall(post(BODY) * 3)
        got = b""
        while got.count(b'"finish_reason"') < 3:
            got += client.recv(65536)
    assert len(router.requests) == 3


def test_the_same_limits_under_tls(router: ScriptedRouter, tmp_path: Path) -> None:
    ca = make_ca("test", ("localhost",), datetime.now(UTC))
    certificate = tmp_path / "server.pem"
    certificate.write_bytes(make_server(ca, names_of("", ()), datetime.now(UTC)).pem)
    context = ssl.create_default_context(cadata=ca.certificate_pem.decode())
    router.script = lambda _r, _i: [Started(1), *[TextDelta("x" * 10_000)] * 1_000, Hang()]
    limits = Limits(head_seconds=0.3, stalled_seconds=0.5)
    with served(router, limits, certificate) as url:
        with context.wrap_socket(connect(url), server_hostname="127.0.0.1") as client:
            client.sendall(b"GET / HTTP/1.1\r\nX-Slow")
            assert client.recv(65536).startswith(b"HTTP/1.1 408")
        with context.wrap_socket(connect(url), server_hostname="127.0.0.1") as client:
            client.sendall(post(STREAM))
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            wait_until(lambda: router.closed == [0])
