"""The server's own counts are the engine's, or it does not count."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from edgellm.assets import builtin_model
from edgellm.errors import ContextLengthExceeded, EngineCrashed
from edgellm.protocol import Tokenize
from edgellm.serving.counting import Counters, find_counter, is_affordable
from edgellm.serving.resolver import ServedModel
from edgellm.serving.router import Router
from edgellm.tokens.check import SAMPLES
from edgellm.types import EngineOptions, GenerateRequest, Message, Sampling, Started
from tests.tokens.vocabularies import Reference, write_vocabulary

POCKET = ServedModel(
    "pocket", Path(builtin_model()), options=EngineOptions(context=256, parallel=2, threads=1)
)


class OneModel:
    def resolve(self, name: str) -> ServedModel:
        return POCKET

    def models(self) -> tuple[ServedModel, ...]:
        return (POCKET,)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


@contextlib.asynccontextmanager
async def routed() -> AsyncIterator[Router]:
    router = Router(OneModel())
    try:
        yield router
    finally:
        await router.aclose()


async def until_found(router: Router) -> None:
    await router.count_tokens(GenerateRequest("", prompt="x"))
    await asyncio.gather(*router._counters._finding.values())


def refuse(_question: Tokenize) -> Any:
    raise AssertionError("the engine was asked")


def test_the_servers_count_is_the_engines() -> None:
    async def test() -> None:
        async with routed() as router:
            requests = [
                GenerateRequest(
                    "", messages=(Message("user", text),), sampling=Sampling(max_tokens=1)
                )
                for text in SAMPLES
            ]
            before = [await router.count_tokens(each) for each in requests]
            await until_found(router)
            entry = router._find("")
            entry.process.ask = refuse  # type: ignore[method-assign]
            assert [await router.count_tokens(each) for each in requests] == before
            events = [event async for event in router.generate(requests[0])]
            assert isinstance(events[0], Started)
            assert events[0].prompt_tokens == before[0]
            assert await router.count_tokens(GenerateRequest("", prompt=(5, 6, 7))) == 3

    run(test())


def test_a_prompt_that_is_too_long_does_not_reach_the_engine() -> None:
    async def test() -> None:
        async with routed() as router:
            await until_found(router)
            request = GenerateRequest("", prompt="one two " * 400, sampling=Sampling(max_tokens=1))
            router._find("").process.generate = refuse  # type: ignore[method-assign]
            with pytest.raises(ContextLengthExceeded) as caught:
                await anext(router.generate(request))
            assert caught.value.num_prompt_tokens == await router.count_tokens(request)
            assert "maximum context length is 256 tokens" in caught.value.message

    run(test())


def test_an_engine_with_other_tokens_counts_itself(tmp_path: Path) -> None:
    async def test() -> None:
        path = write_vocabulary(tmp_path / "v.gguf", "qwen2")
        reference = Reference(path)

        async def ask(question: Tokenize) -> list[int]:
            (text,) = question.pieces
            return reference.tokenize(str(text), add_special=question.add_special)

        async def ask_another(question: Tokenize) -> list[int]:
            return [*(await ask(question))[:-1], 1]

        assert await find_counter(path, reference.control_tokens, ask) is not None
        assert await find_counter(path, reference.control_tokens, ask_another) is None
        assert await find_counter(tmp_path / "missing.gguf", (), ask) is None

    run(test())


def test_an_engine_that_dies_meanwhile_is_asked_again(tmp_path: Path) -> None:
    async def test() -> None:
        path = write_vocabulary(tmp_path / "v.gguf", "qwen2")
        num_asked = 0

        async def ask(_question: Tokenize) -> list[int]:
            nonlocal num_asked
            num_asked += 1
            raise EngineCrashed("dead")

        counters = Counters()
        for round_ in (1, 2):
            assert counters.find(path, (), ask) is None
            await asyncio.gather(*counters._finding.values(), return_exceptions=True)
            assert num_asked == round_
        await counters.aclose()

    run(test())


def test_a_small_device_lets_the_engine_count() -> None:
    assert is_affordable(151_936, None)
    assert is_affordable(151_936, 4 << 30)
    assert not is_affordable(151_936, 1 << 30)
    assert is_affordable(4096, 1 << 30)
