"""Asks a model golden prompts, the way that a server would answer them: chat template, engine
process, parsers. Greedy, and one after the other, so that two runs give the same answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from edgellm.errors import ModelNotFound, QuantCancelled, RequestError
from edgellm.serving.resolver import DEFAULT_NAMES, ServedModel
from edgellm.serving.router import Router
from edgellm.types import (
    EngineOptions,
    Event,
    GenerateRequest,
    Sampling,
    TextDelta,
    ToolCallDelta,
)
from edgellm_quant.golden import Answer, GoldenPrompt, failure
from edgellm_quant.hooks import IsCancelled, never

CONTEXT = 2048  # tokens: short questions with a few tools
_LOOK_SECONDS = 0.2  # between two looks at whether it was cancelled


class Outcome(NamedTuple):
    """What came of a prompt. `failure` is empty where the answer is what it must be."""

    name: str
    answer: Answer
    failure: str


class _OneModel:
    """A resolver of one file."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def resolve(self, name: str) -> ServedModel:
        if name not in (*DEFAULT_NAMES, self._model.id):
            raise ModelNotFound(name, (self._model.id,))
        return self._model

    def models(self) -> tuple[ServedModel, ...]:
        return (self._model,)


def ask(
    model: Path,
    prompts: Sequence[GoldenPrompt],
    *,
    threads: int = 0,
    start_router: Callable[[ServedModel], Router] = lambda model: Router(_OneModel(model)),
    is_cancelled: IsCancelled = never,
) -> list[Outcome]:
    """Ask them all. A prompt that the model cannot take has failed.

    Raises:
        QuantCancelled
        EngineError: the model cannot be loaded, or its engine keeps dying.
    """
    options = EngineOptions(context=CONTEXT, parallel=1, threads=threads)
    router = start_router(ServedModel(model.stem, model, options=options))
    return asyncio.run(_ask_all(router, prompts, is_cancelled))


async def _ask_all(
    router: Router, prompts: Sequence[GoldenPrompt], is_cancelled: IsCancelled
) -> list[Outcome]:
    asking = asyncio.create_task(_ask_in_turn(router, prompts))
    try:
        while not (await asyncio.wait({asking}, timeout=_LOOK_SECONDS))[0]:
            if is_cancelled():
                raise QuantCancelled("The evaluation was cancelled.")
        return asking.result()
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await router.aclose()


async def _ask_in_turn(router: Router, prompts: Sequence[GoldenPrompt]) -> list[Outcome]:
    return [await _ask(router, prompt) for prompt in prompts]


async def _ask(router: Router, prompt: GoldenPrompt) -> Outcome:
    request = GenerateRequest(
        model="",
        messages=prompt.turns,
        tools=prompt.tools,
        sampling=Sampling(temperature=0.0, max_tokens=prompt.max_tokens),
        is_thinking=False,
    )
    try:
        answer = await _answer(router.generate(request))
    except RequestError as error:
        return Outcome(prompt.name, Answer(""), error.message)
    return Outcome(prompt.name, answer, failure(prompt.expect, answer))


async def _answer(events: AsyncIterator[Event]) -> Answer:
    """The text and the calls; what the model thinks aloud does not count."""
    text = ""
    calls: dict[int, tuple[str, str]] = {}
    async for event in events:
        match event:
            case TextDelta():
                text += event.text
            case ToolCallDelta():
                name, arguments = calls.get(event.index, ("", ""))
                calls[event.index] = (event.name or name, arguments + event.arguments)
            case _:
                pass
    return Answer(text, tuple(calls[index] for index in sorted(calls)))
