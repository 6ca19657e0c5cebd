"""Tokens from real engine processes, by way of the process and of the router."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import EngineCrashed, InvalidRequest, ModelNotFound
from edgellm.protocol import Detokenize, Load, Texts, Tokenize, Tokens
from edgellm.serving.backoff import Backoff
from edgellm.serving.process import EngineProcess
from edgellm.serving.resolver import DEFAULT_NAMES, ServedModel
from edgellm.serving.router import Router
from edgellm.types import EngineOptions, GenerateRequest, Message, Sampling, Started

SCRIPTED = (sys.executable, str(Path(__file__).parents[1] / "support/scripted_engine.py"))
OPTIONS = EngineOptions(context=256, parallel=2, threads=1)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


@contextlib.asynccontextmanager
async def scripted() -> AsyncIterator[EngineProcess]:
    process = EngineProcess(Load("none", "fine"), SCRIPTED, Backoff(first_seconds=0.01))
    try:
        yield process
    finally:
        await process.aclose()


async def count(process: EngineProcess, text: str) -> tuple[int, ...]:
    return (await process.ask(Tokenize(0, (text,)), Tokens)).tokens


class OneModel:
    def __init__(self, path: Path) -> None:
        self._model = ServedModel("tiny", path, options=OPTIONS)

    def resolve(self, name: str) -> ServedModel:
        if name not in (*DEFAULT_NAMES, "tiny"):
            raise ModelNotFound(name, ("tiny",))
        return self._model

    def models(self) -> tuple[ServedModel, ...]:
        return (self._model,)


@contextlib.asynccontextmanager
async def routed(path: Path) -> AsyncIterator[Router]:
    router = Router(OneModel(path))
    try:
        yield router
    finally:
        await router.aclose()


def test_answers_are_not_mixed() -> None:
    async def test() -> None:
        async with scripted() as process:
            texts = ["x" * i + " y" for i in range(1, 20)]
            answers = await asyncio.gather(*(count(process, text) for text in texts))
            assert answers == [(i, 1) for i in range(1, 20)]
            texts_reply = await process.ask(Detokenize(0, (1, 3)), Texts)
            assert texts_reply.texts == (b"x", b"xxx")

    run(test())


def test_a_question_is_asked_again_when_the_engine_dies(tmp_path: Path) -> None:
    async def test() -> None:
        async with scripted() as process:
            assert await count(process, f"ab die-once:{tmp_path / 'died'}") == (
                2,
                len(f"die-once:{tmp_path / 'died'}"),
            )
            assert process.num_restarts == 1

    run(test())


def test_a_question_that_kills_twice_fails_and_the_next_is_answered() -> None:
    async def test() -> None:
        async with scripted() as process:
            with pytest.raises(EngineCrashed, match="signal 9"):
                await count(process, "die")
            assert await count(process, "abc") == (3,)

    run(test())


def test_a_question_is_not_blamed_for_the_answer_that_kills() -> None:
    async def test() -> None:
        async with scripted() as process:
            await process.ensure_ready()
            answer = process.generate(("one",), Sampling())
            await anext(answer)  # under way, and the engine's next frame is the killer
            killer = process.generate(("die",), Sampling())
            asked = asyncio.create_task(count(process, "hang"))
            with pytest.raises(EngineCrashed, match="signal 9"):
                await anext(killer)
                await anext(killer)
            asked.cancel()
            assert await count(process, "abc") == (3,)
            await answer.aclose()

    run(test())


def test_a_refusal_names_the_field() -> None:
    async def test() -> None:
        async with scripted() as process:
            with pytest.raises(InvalidRequest, match="it failed") as caught:
                await count(process, "fail")
            assert caught.value.param == "content"

    run(test())


def test_the_router_counts_what_generate_counts(tiny_model: Path) -> None:
    async def test() -> None:
        async with routed(tiny_model) as router:
            chat = GenerateRequest(
                "tiny",
                messages=(Message("user", "Hi <|im_end|> é"),),
                sampling=Sampling(max_tokens=1),
            )
            for request in (
                chat,
                GenerateRequest("", prompt="plain", sampling=Sampling(max_tokens=1)),
                GenerateRequest("", prompt=(5, 6, 7), sampling=Sampling(max_tokens=1)),
            ):
                events = [event async for event in router.generate(request)]
                assert isinstance(events[0], Started)
                assert events[0].prompt_tokens == await router.count_tokens(request)
            assert await router.render(chat) == (
                "<|im_start|>user\nHi <|im_end|> é<|im_end|>\n<|im_start|>assistant\n"
            )
            assert await router.render(GenerateRequest("", prompt=(3 + ord("a"), 2))) == (
                "a<|im_end|>"
            )

    run(test())


def test_the_router_tokenises_both_ways(tiny_model: Path) -> None:
    async def test() -> None:
        async with routed(tiny_model) as router:
            text = "aé<|im_end|>"
            tokens = await router.tokenize("", text)
            assert tokens == (3 + ord("a"), 3 + 0xC3, 3 + 0xA9, 2)
            assert await router.detokenize("tiny", tokens) == text
            plain = await router.tokenize("", text, parse_special=False)
            assert len(plain) == len(text.encode())
            assert await router.detokenize("", plain) == text
            assert await router.token_texts("", tokens[1:3]) == (b"\xc3", b"\xa9")
            assert await router.tokenize("", "") == ()
            with pytest.raises(InvalidRequest, match="from 0 to 259"):
                await router.detokenize("", (260,))
            with pytest.raises(ModelNotFound):
                await router.tokenize("other", "x")

    run(test())
