"""An asynchronous client of our own HTTP API: what the CLI, the TUI and the benches speak.

It knows the OpenAI dialect that `api/openai.py` answers with, and nothing of engines. Tokens are
waited for without a time limit (a small board may take minutes for a long prompt); only connecting
has one.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from edgellm.errors import EdgellmError, EngineBusy, EngineError, InvalidRequest, ServerUnreachable
from edgellm.sse import SseDecoder
from edgellm.trust import tls_context
from edgellm.types import Message, ModelStatus, Timings, ToolCallDelta, UpgradeStatus, Usage

_CONNECT_TIMEOUT_SECONDS = 5.0
_ANSWER_TIMEOUT_SECONDS = 30.0  # of the routes that answer at once


Result = TypeVar("Result")


class ChatDelta(Struct, frozen=True):
    """A piece of a streamed answer. The last one has the reason; usage may come after it."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    timings: Timings | None = None


class Health(Struct, frozen=True):
    """The server's word on itself. `status` is "ok" or why not; `details` is the whole body."""

    is_ready: bool
    status: str
    details: dict[str, Any] = {}
    upgrade: UpgradeStatus | None = None  # of a server that looks for a better model


class Quantiles(Struct, frozen=True):
    """Of the last minutes; None where nothing was measured."""

    p50: float | None = None
    p95: float | None = None


class Recent(Struct, frozen=True):
    """Tokens per second of an answer, and seconds."""

    decode_rate: Quantiles = Quantiles()
    time_to_first_token: Quantiles = Quantiles()


class ModelSpeed(Struct, frozen=True):
    """How a model has answered of late; a part of `/v1/stats`."""

    id: str
    recent: Recent = Recent()


class RemoteModel(Struct, frozen=True):
    """A model that the server lists."""

    id: str
    created: int = 0
    owned_by: str = ""


class EdgellmClient:
    """Use as ``async with EdgellmClient("http://127.0.0.1:8000") as client``.

    Args:
        base_url: the server's root; a trailing ``/v1`` is accepted too.
        trust: files of further authorities whose certificates are believed (https only).
        transport: replaces the network in tests.

    Every method raises ServerUnreachable, EngineError (the server could not do it) or
    InvalidRequest (it refused the request), with the server's own message and hint. A file of
    `trust` that has no certificates is a ConfigError.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        trust: Iterable[Path] = (),
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        if not self.base_url.startswith(("http://", "https://")):
            self.base_url = "http://" + self.base_url
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT_SECONDS),
            # An idle connection that the server closes meanwhile would fail the next request.
            limits=httpx.Limits(max_keepalive_connections=0),
            transport=transport,
            # Without https nothing is verified, and loading the authorities would take 20 ms.
            verify=tls_context(trust) if self.base_url.startswith("https://") else False,
            trust_env=False,  # a proxy has no business between a device and itself
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def health(self) -> Health:
        """Whether the server answers, and whether its model is ready (503 while it loads)."""
        response = await self._get("/health")
        body = _json_object(response.content)
        status = body.get("status")
        if response.status_code not in (200, 503) or not isinstance(status, str):
            self._raise_for(response.status_code, response.content)
            raise self._not_edgellm()
        upgrade: UpgradeStatus | None = None
        with contextlib.suppress(msgspec.ValidationError):  # of another version
            upgrade = msgspec.convert(body.get("upgrade"), UpgradeStatus | None)
        return Health(response.status_code == 200, status, body, upgrade)

    async def models(self) -> tuple[RemoteModel, ...]:
        """The served models, the default first."""
        response = await self._get("/v1/models")
        self._raise_for(response.status_code, response.content)
        return self._converted(response.content, "data", tuple[RemoteModel, ...])

    async def admin_models(self) -> tuple[ModelStatus, ...]:
        """All models that the server could load, with all that it knows of them."""
        response = await self._get("/admin/models")
        self._raise_for(response.status_code, response.content)
        return self._converted(response.content, "models", tuple[ModelStatus, ...])

    async def speeds(self) -> tuple[ModelSpeed, ...]:
        """How the models that were used have answered of late."""
        response = await self._get("/v1/stats")
        self._raise_for(response.status_code, response.content)
        return self._converted(response.content, "models", tuple[ModelSpeed, ...])

    async def load_model(
        self, model: str, *, pin: bool | None = None, keep_alive: str | float | None = None
    ) -> ModelStatus:
        """Load a model; returns once it is there. None = as it is."""
        return await self._manage(model, "load", {"pin": pin, "keep_alive": keep_alive})

    async def unload_model(self, model: str, *, wait: bool = False) -> ModelStatus:
        """Unload a model; returns once it is gone.

        Args:
            wait: for its running requests, which are otherwise a reason to refuse.
        """
        return await self._manage(model, "unload", {"wait": wait})

    async def pin_model(self, model: str, *, pin: bool = True) -> ModelStatus:
        """Keep a model in memory whatever comes, once it is loaded; or let it go again."""
        return await self._manage(model, "pin", {"pin": pin})

    async def _manage(self, model: str, verb: str, body: dict[str, object]) -> ModelStatus:
        with self._network_errors():
            response = await self._http.post(f"/admin/models/{quote(model)}/{verb}", json=body)
        self._raise_for(response.status_code, response.content)
        return self._converted(response.content, "model", ModelStatus)

    def _converted(self, content: bytes, field: str, kind: type[Result]) -> Result:
        try:
            return msgspec.convert(_json_object(content)[field], kind)
        except (KeyError, msgspec.ValidationError) as error:
            raise self._not_edgellm() from error

    async def stream_chat(
        self, messages: Iterable[Message], *, model: str = "", **sampling: object
    ) -> AsyncGenerator[ChatDelta, None]:
        """The pieces of one answer. Closing the generator early (`aclosing`) cancels the work.

        Args:
            model: "" means the server's default.
            sampling: fields of the request, such as ``temperature=0``; None leaves one out.
        """
        body = {
            "model": model or "default",
            "messages": [_message(message) for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **{name: value for name, value in sampling.items() if value is not None},
        }
        with self._network_errors():
            async with self._http.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.status_code != 200:
                    self._raise_for(response.status_code, await response.aread())
                async for delta in self._deltas(response):
                    yield delta

    async def _deltas(self, response: httpx.Response) -> AsyncIterator[ChatDelta]:
        decoder = SseDecoder()
        async for chunk in response.aiter_bytes():
            for event in decoder.feed(chunk):
                if event.data.strip() == "[DONE]":
                    return
                body = _json_object(event.data)
                if event.name == "error" or "error" in body:
                    raise _server_error(500, body, event.data)
                yield _delta(body)
        raise ServerUnreachable(
            "The server's answer broke off before its end.",
            "The server was stopped or its connection was cut. See its log, then try again.",
        )

    async def _get(self, path: str) -> httpx.Response:
        with self._network_errors():
            return await self._http.get(
                path, timeout=httpx.Timeout(_ANSWER_TIMEOUT_SECONDS, connect=5.0)
            )

    @contextlib.contextmanager
    def _network_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if "[SSL" in str(error):
                raise _tls_failure(self.base_url, str(error)) from error
            raise ServerUnreachable(
                f"No server answers at {self.base_url}.",
                "Start one with `edgellm serve`, or check the address and the port.",
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ServerUnreachable(
                f"{self.base_url} is not an address: {error}", "E.g. http://127.0.0.1:8000"
            ) from error
        except httpx.TransportError as error:
            raise ServerUnreachable(
                f"The connection to {self.base_url} broke: "
                f"{str(error).rstrip('.') or type(error).__name__}.",
                "The server was stopped, the network failed, or it speaks https and was asked in "
                "http. See its log, then try again.",
            ) from error

    def _raise_for(self, status: int, content: bytes) -> None:
        if status == 200:
            return
        body = _json_object(content)
        if not isinstance(body.get("error"), dict):
            raise self._not_edgellm(f" It answered with HTTP status {status}.")
        raise _server_error(status, body, "")

    def _not_edgellm(self, what: str = "") -> ServerUnreachable:
        return ServerUnreachable(
            f"The server at {self.base_url} is not edgellm.{what}",
            "Check the address and the port.",
        )


def _tls_failure(url: str, reason: str) -> ServerUnreachable:
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        what = reason.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        return ServerUnreachable(
            f"The certificate of {url} is not trusted: {what or reason}.",
            "Name its authority's certificate, which the server gives at /ca.crt: --ca FILE.",
        )
    return ServerUnreachable(
        f"There is no TLS with {url}: {reason}", "Does it speak http instead of https?"
    )


def _server_error(status: int, body: Mapping[str, Any], text: str) -> EdgellmError:
    """OpenAI's error shape, plus our `hint`. A `code` in the 400s inside a stream counts too."""
    error = body.get("error", body)
    if not isinstance(error, dict):
        return EngineError(str(error or text or "The server failed without saying why."))
    message = str(error.get("message") or text or f"HTTP status {status}")
    hint = str(error.get("hint") or "")
    code, param = error.get("code"), error.get("param")
    message = message.removesuffix(hint).rstrip()  # SDKs show the message alone, so it has both
    if status == 429:  # the request was a good one
        return EngineBusy(message, hint)
    if 400 <= status < 500 or error.get("type") == "invalid_request_error":
        return InvalidRequest(
            message,
            hint,
            param=param if isinstance(param, str) else None,
            code=code if isinstance(code, str) else None,
        )
    return EngineError(message, hint)


def _json_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object, or an empty one where the text is something else."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _message(message: Message) -> dict[str, Any]:
    """OpenAI's shape of one turn."""
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        body["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        body["name"] = message.name
    return body


class _WireFunction(Struct):
    name: str | None = None
    arguments: str | None = None


class _WireToolCall(Struct):
    index: int = 0
    id: str | None = None
    function: _WireFunction = msgspec.field(default_factory=_WireFunction)


class _WireDelta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_WireToolCall] | None = None


class _WireChoice(Struct):
    delta: _WireDelta = msgspec.field(default_factory=_WireDelta)
    finish_reason: str | None = None


class _WireDetails(Struct):
    cached_tokens: int | None = None


class _WireUsage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _WireDetails | None = None


class _WireTimings(Struct):
    """llama.cpp's names, which our server speaks as well."""

    queue_ms: float = 0.0
    prompt_ms: float = 0.0
    predicted_ms: float = 0.0


class _WireChunk(Struct):
    choices: list[_WireChoice] = []
    usage: _WireUsage | None = None
    timings: _WireTimings | None = None


def _delta(body: dict[str, Any]) -> ChatDelta:
    try:
        chunk = msgspec.convert(body, _WireChunk)
    except msgspec.ValidationError as error:
        raise ServerUnreachable(
            f"The server sent something that is not a chat chunk: {error}",
            "Is it edgellm, or another server with its own dialect?",
        ) from error
    choice = chunk.choices[0] if chunk.choices else _WireChoice()
    calls = choice.delta.tool_calls or ()
    return ChatDelta(
        text=choice.delta.content or "",
        reasoning=choice.delta.reasoning_content or "",
        tool_calls=tuple(
            ToolCallDelta(c.index, c.function.arguments or "", c.id, c.function.name) for c in calls
        ),
        finish_reason=choice.finish_reason,
        usage=_usage(chunk.usage),
        timings=_timings(chunk.timings),
    )


def _usage(usage: _WireUsage | None) -> Usage | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details or _WireDetails()
    return Usage(usage.prompt_tokens, usage.completion_tokens, details.cached_tokens or 0)


def _timings(timings: _WireTimings | None) -> Timings | None:
    if timings is None:
        return None
    return Timings(timings.queue_ms / 1e3, timings.prompt_ms / 1e3, timings.predicted_ms / 1e3)
