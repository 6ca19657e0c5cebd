"""Tokens from real engine processes, by way of the process and of the router."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import gguf
import pytest

from edgellm.errors import ContextLengthExceeded, EngineCrashed, InvalidRequest, ModelNotFound
from edgellm.protocol import Detokenize, Embed, Load, Texts, Tokenize, Tokens, Vectors
from edgellm.serving.backoff import Backoff
from edgellm.serving.process import EngineProcess
from edgellm.serving.resolver import DEFAULT_NAMES, ServedModel
from edgellm.serving.router import Router
from edgellm.serving.vectors import cosine
from edgellm.types import (
    EmbedRequest,
    EngineOptions,
    GenerateRequest,
    Message,
    RerankRequest,
    Sampling,
    Started,
)
from tests.support.tiny_embedder import write_tiny_encoder

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


def test_vectors_by_way_of_the_router(tiny_model: Path) -> None:
    async def test() -> None:
        async with routed(tiny_model) as router:
            found = await router.embed(EmbedRequest("tiny", ("one", "two words", (3, 4, 5))))
            assert [len(vector) for vector in found.vectors] == [64, 64, 64]
            assert found.prompt_tokens == len("one") + len("two words") + 3
            assert math.hypot(*found.vectors[0]) == pytest.approx(1, abs=1e-5)
            short = await router.embed(EmbedRequest("", ("one",), dimensions=5))
            assert len(short.vectors[0]) == 5
            raw = await router.embed(EmbedRequest("", ("one",), is_normalized=False))
            assert cosine(raw.vectors[0], found.vectors[0]) == pytest.approx(1, abs=1e-4)
            with pytest.raises(ContextLengthExceeded, match=r"input\[1\] has 300 tokens") as caught:
                await router.embed(EmbedRequest("", ("a", "x" * 300)))
            assert caught.value.param == "input[1]"
            with pytest.raises(InvalidRequest, match="made for chat"):
                await router.rerank(RerankRequest("", "q", ("a",)))
            assert router.status("").capabilities == ("completion", "embedding")

    run(test())


def test_an_embedding_model_embeds_ranks_and_does_not_chat(tmp_path: Path) -> None:
    async def test() -> None:
        async with routed(write_tiny_encoder(tmp_path / "encoder.gguf")) as router:
            found = await router.embed(EmbedRequest("", ("query", "document", "other")))
            scores = await router.rerank(RerankRequest("", "query", ("document", "other")))
            query, *others = found.vectors
            expected = [cosine(query, other) for other in others]
            assert scores.scores == pytest.approx(expected, abs=1e-3)
            assert scores.prompt_tokens == found.prompt_tokens
            for request, param in (
                (RerankRequest("", "q", ("fine", "x" * 300)), "documents[1]"),
                (RerankRequest("", "x" * 300, ("fine",)), "query"),
            ):
                with pytest.raises(ContextLengthExceeded) as too_long:
                    await router.rerank(request)
                assert too_long.value.param == param
            with pytest.raises(InvalidRequest, match="cannot write text") as caught:
                [event async for event in router.generate(GenerateRequest("", prompt="Hi"))]
            assert "/v1/embeddings" in caught.value.hint
            assert router.status("").capabilities == ("embedding",)

    run(test())


def test_a_reranker_ranks_and_nothing_else(tmp_path: Path) -> None:
    async def test() -> None:
        rank = gguf.PoolingType.RANK
        async with routed(write_tiny_encoder(tmp_path / "judge.gguf", pooling=rank)) as router:
            scores = await router.rerank(RerankRequest("", "query", ("document", "other")))
            assert len(set(scores.scores)) == 2
            assert all(0 < score < 1 for score in scores.scores)
            with pytest.raises(InvalidRequest, match="is a reranker"):
                await router.embed(EmbedRequest("", ("a",)))
            with pytest.raises(InvalidRequest, match="is a reranker"):
                [event async for event in router.generate(GenerateRequest("", prompt="Hi"))]

    run(test())


def test_an_embedding_whose_caller_has_gone_is_given_up(tiny_model: Path) -> None:
    async def test() -> None:
        async with routed(tiny_model) as router:
            many = EmbedRequest("", ("x" * 200,) * 2048)
            asked = asyncio.create_task(router.embed(many))
            await asyncio.sleep(0.2)
            asked.cancel()
            found = await router.embed(EmbedRequest("", ("one",)))
            assert len(found.vectors) == 1
            assert router.status("").num_requests == 0

    run(test())


def test_a_killed_engine_s_vectors_come_from_the_next_one(tiny_model: Path) -> None:
    async def test() -> None:
        process = EngineProcess(
            Load("llama_cpp", str(tiny_model), OPTIONS), backoff=Backoff(first_seconds=0.01)
        )
        question = Embed(0, ("some text of a certain length",) * 400)
        expected = await process.ask(question, Vectors)
        assert process.pid is not None
        asked = asyncio.create_task(process.ask(question, Vectors))
        await asyncio.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        found = await asked
        assert (found.data, found.width) == (expected.data, expected.width)
        assert process.num_restarts == 1
        await process.aclose()

    run(test())
