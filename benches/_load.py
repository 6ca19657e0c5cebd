"""A client of any OpenAI-compatible server that notes when each piece of an answer arrives.

The same body goes to every server. `ignore_eos` and `cache_prompt` are llama.cpp's (and
`ignore_eos` vLLM's and ours); OpenAI's own API would refuse them, other servers ignore them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import httpx

from edgellm.sse import SseDecoder

Message: TypeAlias = dict[str, str]
Json: TypeAlias = dict[str, Any]


class RequestFailed(Exception):
    """The server refused a request, or broke off its answer."""


class Answer(NamedTuple):
    """Times in seconds of the monotonic clock; `arrivals` of the pieces that had text.

    A piece is one token, but where a server sends several at once (speculation, or characters of
    several tokens): `num_tokens` is what its usage says.
    """

    asked: float
    arrivals: list[float]
    ended: float
    text: str
    num_prompt: int
    num_tokens: int
    num_cached: int | None  # of the prompt's; None where the server does not say

    @property
    def ttft(self) -> float:
        return self.arrivals[0] - self.asked

    @property
    def decode_tokens_per_second(self) -> float:
        """Of all tokens after the first; NaN if there are none."""
        seconds = self.arrivals[-1] - self.arrivals[0]
        return (self.num_tokens - 1) / seconds if seconds > 0 else float("nan")


class Client:
    """Asks one server. Greedy, a fixed number of tokens, streamed."""

    def __init__(
        self, url: str, model: str = "", extra: Mapping[str, object] | None = None
    ) -> None:
        """`extra` is put into every body."""
        self._url = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._fixed = {
            "model": model or "default",
            "temperature": 0,
            "seed": 0,
            "ignore_eos": True,
            "cache_prompt": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            **(extra or {}),
        }
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=None, limits=limits, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def chat(self, messages: Sequence[Message], max_tokens: int) -> Answer:
        """Answer a chat."""
        return await self._ask("chat/completions", {"messages": list(messages)}, max_tokens)

    async def complete(self, prompt: str, max_tokens: int) -> Answer:
        """Go on with a text."""
        return await self._ask("completions", {"prompt": prompt}, max_tokens)

    async def _ask(self, path: str, body: Json, max_tokens: int) -> Answer:
        stream = _Stream()
        whole = {**self._fixed, **body, "max_tokens": max_tokens}
        async with self._http.stream("POST", f"{self._url}/{path}", json=whole) as response:
            if response.status_code != 200:
                raise RequestFailed(f"{response.status_code}: {(await response.aread()).decode()}")
            async for chunk in response.aiter_bytes():
                stream.feed(chunk)
        return stream.answer()


class _Stream:
    """Collects one answer's events."""

    def __init__(self) -> None:
        self._asked = time.monotonic()
        self._decoder = SseDecoder()
        self._arrivals: list[float] = []
        self._parts: list[str] = []
        self._usage: Json = {}
        self._timings: Json = {}

    def feed(self, chunk: bytes) -> None:
        now = time.monotonic()
        for event in self._decoder.feed(chunk):
            if event.data != "[DONE]":
                self._take(json.loads(event.data), now)

    def answer(self) -> Answer:
        if not self._arrivals:
            raise RequestFailed("The answer has no text.")
        details = self._usage.get("prompt_tokens_details") or {}
        return Answer(
            self._asked,
            self._arrivals,
            time.monotonic(),
            "".join(self._parts),
            self._usage.get("prompt_tokens", 0),
            self._usage.get("completion_tokens", len(self._arrivals)),
            details.get("cached_tokens", self._timings.get("cache_n")),
        )

    def _take(self, body: Json, now: float) -> None:
        if "error" in body:
            raise RequestFailed(json.dumps(body["error"]))
        self._usage = body.get("usage") or self._usage
        self._timings = body.get("timings") or self._timings
        for choice in body.get("choices", ()):
            delta = choice.get("delta") or choice
            text = delta.get("content") or delta.get("reasoning_content") or delta.get("text")
            if text:
                self._parts.append(text)
                self._arrivals.append(now)
