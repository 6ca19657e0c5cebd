"""An engine that is killed costs its streams a pause, and not a token."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from edgellm.assets import builtin_model
from edgellm.backends import load_backend
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NoCache
from edgellm.protocol import Delta, Generate
from edgellm.types import EngineOptions, Sampling
from tests.support.server import Server, serve

NUM_TOKENS = 120
SYSTEM = "<|im_start|>system\nYou are pocket, the model that is built into edgellm.<|im_end|>\n"
QUESTIONS = [
    "What is edgellm?",
    "What is quantisation?",
    "Which quantisation should I choose?",
    "How much memory does a 7B model at Q4_K_M need?",
    "What is a KV cache?",
    "Can a Raspberry Pi 5 run a language model?",
    "Say three times: the sea, the sea, the sea, the sea, the sea.",
    "What is the capital of France?",
]
PROMPTS = [
    f"{SYSTEM}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    for question in QUESTIONS
]
BODY = {"temperature": 0, "ignore_eos": True, "max_tokens": NUM_TOKENS, "stream": True}


@pytest.fixture(scope="module")
def alone() -> list[str]:
    """Each prompt's greedy answer, one after the other, with nothing that makes it faster."""
    options = EngineOptions(context=512, parallel=1, threads=1)
    backend = load_backend("llama_cpp", str(builtin_model()), options, lambda _: None)
    engine = Engine(backend, NoCache())
    sampling = Sampling(temperature=0, ignore_eos=True, max_tokens=NUM_TOKENS)
    with contextlib.closing(backend):
        return [_text(engine, Generate(1, (prompt,), sampling)) for prompt in PROMPTS]


def _text(engine: Engine, request: Generate) -> str:
    engine.submit(request)
    parts = []
    while not engine.is_idle:
        parts += [message.text for message in engine.step() if isinstance(message, Delta)]
    return "".join(parts)


class Streams:
    """All prompts at once; notes what has come, and who has got something since `mark`."""

    def __init__(self, server: Server) -> None:
        self.texts = [""] * len(PROMPTS)
        self.errors: list[Any] = []
        self._server = server
        self._heard: set[int] = set()
        self._finished: set[int] = set()

    def mark(self) -> None:
        self._heard = set(self._finished)

    @property
    def num_heard(self) -> int:
        return len(self._heard)

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self._server.url, timeout=120) as http:
            await asyncio.gather(*(self._stream(http, index) for index in range(len(PROMPTS))))

    async def _stream(self, http: httpx.AsyncClient, index: int) -> None:
        body = {**BODY, "prompt": PROMPTS[index]}
        async with http.stream("POST", "/v1/completions", json=body) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    self._take(index, json.loads(line[6:]))
        self._finished.add(index)
        self._heard.add(index)

    def _take(self, index: int, event: dict[str, Any]) -> None:
        if "error" in event:
            self.errors.append(event["error"])
        for choice in event.get("choices", ()):
            self.texts[index] += choice["text"]
            self._heard.add(index)


class Killer:
    """Ends one engine after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._killed: set[int] = set()

    async def kill(self, streams: Streams, num_heard: int) -> None:
        """End the engine that lives now, once that many streams have got something from it."""
        while not (pid := self._pid()):
            await asyncio.sleep(0.002)
        streams.mark()
        while streams.num_heard < num_heard:
            await asyncio.sleep(0.001)
        await asyncio.sleep(random.uniform(0, 0.05))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._killed.add(pid)

    def _pid(self) -> int | None:
        pids = {child.pid for child in psutil.Process(self._server.process.pid).children()}
        return next(iter(pids - self._killed), None)


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Server]:
    """Everything at once: sharing, guessing, and too few cells for all."""
    flags = ("--parallel", "8", "--context", "512", "--kv-tokens", "700", "--speculate")
    with serve(tmp_path, *flags) as server:
        yield server


def test_cache_batching_preemption_speculation_and_a_kill_change_nothing(
    tight: Server, alone: list[str]
) -> None:
    async def test() -> Streams:
        streams = Streams(tight)
        running = asyncio.create_task(streams.run())
        killer = Killer(tight)
        await killer.kill(streams, 3)
        await killer.kill(streams, 2)
        await running
        return streams

    streams = asyncio.run(asyncio.wait_for(test(), 120))
    assert streams.errors == []
    assert streams.texts == alone
    (model,) = tight.health()["models"]
    assert model["restarts"] == 2
    assert "signal 9" in model["last_crash"]


@pytest.mark.slow
def test_a_hundred_kills_lose_no_token(tight: Server, alone: list[str]) -> None:
    async def test() -> int:
        num_kills, killer = 0, Killer(tight)
        while num_kills < 100:
            streams = Streams(tight)
            running = asyncio.create_task(streams.run())
            while not running.done() and num_kills < 100:
                # Before its first token, a stream that is hit twice would be taken for the cause.
                kill = asyncio.create_task(killer.kill(streams, len(PROMPTS)))
                await asyncio.wait({running, kill}, return_when=asyncio.FIRST_COMPLETED)
                if not kill.done():
                    kill.cancel()
                    break
                num_kills += 1
            await running
            assert streams.errors == []
            assert streams.texts == alone
        return num_kills

    assert asyncio.run(asyncio.wait_for(test(), 900)) == 100
    assert tight.health()["models"][0]["restarts"] == 100
