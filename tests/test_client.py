"""Our HTTP client, against scripted transports: cut-up streams, errors, and nobody at home."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import httpx
import pytest

from edgellm.client import ChatDelta, EdgellmClient
from edgellm.errors import EngineBusy, EngineError, InvalidRequest, ServerUnreachable
from edgellm.sse import SseDecoder, SseEvent
from edgellm.types import Message, Timings, ToolCall, ToolCallDelta, Usage

Handler = Callable[[httpx.Request], httpx.Response]


class _Chunks(httpx.AsyncByteStream):
    """A body that arrives in these pieces."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk

    async def aclose(self) -> None:
        self.is_closed = True


def _sse(*payloads: object) -> bytes:
    return b"".join(b"data: %s\r\n\r\n" % json.dumps(p).encode() for p in payloads)


def _chunk(delta: dict[str, object], reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _ask(handler: Handler, **kwargs: object) -> list[ChatDelta]:
    async def main() -> list[ChatDelta]:
        async with EdgellmClient("http://t", transport=httpx.MockTransport(handler)) as client:
            stream = client.stream_chat([Message("user", "hi")], **kwargs)  # type: ignore[arg-type]
            async with aclosing(stream):
                return [delta async for delta in stream]

    return asyncio.run(main())


def _streams(*chunks: bytes) -> Handler:
    return lambda _: httpx.Response(200, stream=_Chunks(list(chunks)))


STREAM = (
    b"\xef\xbb\xbf: a comment\r\n\r\n"
    b"data: one\r\n\r\n"
    b"event: error\ndata: two\ndata:  lines\n\n"
    b"id: 7\rretry: 10\rdata:\xe2\x82\xac\r\r"
    b"event: lost\n\n"
    b"data\n\n"
    b"data: never finished\n"
)
EVENTS = [
    SseEvent("one"),
    SseEvent("two\n lines", "error"),
    SseEvent("€"),
    SseEvent(""),
]


def test_sse_whole() -> None:
    assert list(SseDecoder().feed(STREAM)) == EVENTS


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_sse_cut_at_every_byte(cut: int) -> None:
    decoder = SseDecoder()
    assert [*decoder.feed(STREAM[:cut]), *decoder.feed(STREAM[cut:])] == EVENTS


def test_sse_byte_by_byte() -> None:
    decoder = SseDecoder()
    fed = (event for index in range(len(STREAM)) for event in decoder.feed(STREAM[index:][:1]))
    assert list(fed) == EVENTS


def test_a_chat_streams_text_usage_and_timings() -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    timings = {"queue_ms": 1, "prompt_ms": 20.0, "predicted_ms": 300.0, "prompt_n": 2}
    body = _sse(
        _chunk({"role": "assistant", "content": ""}),
        _chunk({"reasoning_content": "hm"}),
        _chunk({"content": "Hé"}),
        _chunk({}, "stop"),
        {"choices": [], "usage": usage, "timings": timings},
    )
    deltas = _ask(_streams(*(bytes([b]) for b in body), b"data: [DONE]\r\n\r\n"))
    assert "".join(d.text for d in deltas) == "Hé"
    assert "".join(d.reasoning for d in deltas) == "hm"
    assert deltas[-2].finish_reason == "stop"
    assert deltas[-1].usage == Usage(3, 2, 1)
    assert deltas[-1].timings == Timings(0.001, 0.02, 0.3)


def test_tool_calls_come_as_deltas() -> None:
    function = {"name": "f", "arguments": '{"a'}
    call = {"index": 0, "id": "c1", "type": "function", "function": function}
    more = {"index": 0, "function": {"arguments": '":1}'}}
    body = _sse(_chunk({"tool_calls": [call]}), _chunk({"tool_calls": [more]}, "tool_calls"))
    first, second = _ask(_streams(body, b"data: [DONE]\n\n"))
    assert first.tool_calls == (ToolCallDelta(0, '{"a', "c1", "f"),)
    assert second.tool_calls == (ToolCallDelta(0, '":1}'),)
    assert second.finish_reason == "tool_calls"


def test_the_request_is_openais() -> None:
    seen: list[dict[str, object]] = []
    headers: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        headers.append(request.headers.get("authorization"))
        assert str(request.url) == "http://t:1/v1/chat/completions"
        return httpx.Response(200, content=b"data: [DONE]\n\n")

    messages = [
        Message("system", "s"),
        Message("assistant", "", tool_calls=(ToolCall("c", "f", "{}"),)),
        Message("tool", "4", tool_call_id="c", name="f"),
    ]

    async def main() -> None:
        transport = httpx.MockTransport(handler)
        async with EdgellmClient("t:1/v1/", api_key="k", transport=transport) as client:
            async for _ in client.stream_chat(messages, model="m", temperature=0, seed=None):
                pass

    asyncio.run(main())
    assert headers == ["Bearer k"]
    function = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert seen == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "assistant", "content": "", "tool_calls": [function]},
                {"role": "tool", "content": "4", "tool_call_id": "c", "name": "f"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
        }
    ]


@pytest.mark.parametrize("prefix", [b"", b"event: error\n"])
def test_an_error_event_ends_the_stream_with_the_servers_words(prefix: bytes) -> None:
    error = {"error": {"message": "It died. Wait.", "type": "server_error", "hint": "Wait."}}
    with pytest.raises(EngineError) as caught:
        _ask(_streams(_sse(_chunk({"content": "a"})), prefix, _sse(error)))
    assert (caught.value.message, caught.value.hint) == ("It died.", "Wait.")


def test_an_error_event_of_the_callers_making_is_an_invalid_request() -> None:
    error = {"message": "No.", "type": "invalid_request_error", "code": "template_error"}
    with pytest.raises(InvalidRequest) as caught:
        _ask(_streams(_sse({"error": error})))
    assert caught.value.code == "template_error"


def test_an_error_event_that_is_no_json() -> None:
    with pytest.raises(EngineError, match="oops"):
        _ask(_streams(b"event: error\ndata: oops\n\n"))


@pytest.mark.parametrize("body", [b"", b"data: {}\n\n", b'data: {"choices":[]}'])
def test_a_stream_that_breaks_off_is_an_error(body: bytes) -> None:
    with pytest.raises(ServerUnreachable, match="broke off"):
        _ask(_streams(body))


def test_a_chunk_in_another_dialect_is_an_error() -> None:
    with pytest.raises(ServerUnreachable, match="not a chat chunk"):
        _ask(_streams(_sse({"choices": "none"})))


def test_refusals_keep_message_hint_param_and_code() -> None:
    error = {"message": "Too long.", "code": "context_length_exceeded", "param": "messages"}
    with pytest.raises(InvalidRequest) as caught:
        _ask(lambda _: httpx.Response(400, json={"error": {**error, "hint": "Less."}}))
    assert caught.value.message == "Too long."
    assert caught.value.hint == "Less."
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "messages"


def test_a_503_is_an_engine_error() -> None:
    error = {"message": "Crashed.", "type": "server_error", "code": "engine_crashed"}
    with pytest.raises(EngineError, match="Crashed"):
        _ask(lambda _: httpx.Response(503, json={"error": error}))


def test_a_full_queue_is_not_the_requests_fault() -> None:
    error = {"message": "The queue is full.", "code": "queue_full", "hint": "Try again."}
    with pytest.raises(EngineBusy, match="queue is full") as caught:
        _ask(lambda _: httpx.Response(429, json={"error": error}))
    assert caught.value.hint == "Try again."


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"detail": "Not Found"}', b"\xff"])
def test_another_server_is_recognised(content: bytes) -> None:
    with pytest.raises(ServerUnreachable, match=r"is not edgellm\..*404"):
        _ask(lambda _: httpx.Response(404, content=content))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError("refused"), "No server answers at http://t"),
        (httpx.ConnectTimeout("slow"), "No server answers at http://t"),
        (httpx.ReadError(""), "broke: ReadError"),
        (httpx.RemoteProtocolError("cut"), "broke: cut"),
    ],
)
def test_network_failures(error: httpx.TransportError, said: str) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(ServerUnreachable) as caught:
        _ask(handler)
    assert said in caught.value.message
    assert caught.value.hint


def test_nobody_listens() -> None:
    async def main() -> None:
        async with EdgellmClient("http://127.0.0.1:1") as client:
            await client.health()

    with pytest.raises(ServerUnreachable, match=r"No server answers at http://127\.0\.0\.1:1\."):
        asyncio.run(main())


def test_closing_the_generator_closes_the_connection() -> None:
    body = _Chunks([_sse(_chunk({"content": "a"}))] * 3)

    async def main() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
        async with EdgellmClient("http://t", transport=transport) as client:
            async with aclosing(client.stream_chat([Message("user", "x")])) as stream:
                assert (await anext(stream)).text == "a"
            assert body.is_closed

    asyncio.run(main())


def test_health_and_models() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(503, json={"status": "loading", "progress": 0.5})
        data = [{"id": "pocket", "object": "model", "created": 5, "owned_by": "edgellm"}]
        return httpx.Response(200, json={"object": "list", "data": data})

    async def main() -> None:
        async with EdgellmClient("http://t", transport=httpx.MockTransport(handler)) as client:
            health = await client.health()
            assert (health.is_ready, health.status) == (False, "loading")
            assert health.details["progress"] == 0.5
            (model,) = await client.models()
            assert (model.id, model.created) == ("pocket", 5)

    asyncio.run(main())


@pytest.mark.parametrize("response", [(200, b"hello"), (500, b""), (200, b'{"data": 3}')])
def test_health_and_models_of_another_server(response: tuple[int, bytes]) -> None:
    async def main() -> None:
        handler = httpx.MockTransport(lambda _: httpx.Response(response[0], content=response[1]))
        async with EdgellmClient("http://t", transport=handler) as client:
            with pytest.raises(ServerUnreachable, match="not edgellm"):
                await client.health()
            with pytest.raises(ServerUnreachable, match="not edgellm"):
                await client.models()

    asyncio.run(main())
