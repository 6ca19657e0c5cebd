"""Which model answers a request: from a name to a ready engine, and from its text to events.

Owns the engine processes. One task per request and no locks: the processes' own states decide.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import assert_never

from msgspec import Struct

from edgellm.chat.parsers import choose_parser
from edgellm.chat.parsers.base import ContentEvent, OutputParser
from edgellm.chat.template import CHATML, ChatTemplate
from edgellm.errors import ModelNotFound
from edgellm.protocol import Accepted, Delta, Done, Load, ModelInfo
from edgellm.serving.in_flight import Answer
from edgellm.serving.process import EngineProcess
from edgellm.types import (
    EngineOptions,
    Event,
    Finished,
    GenerateRequest,
    ModelStatus,
    Started,
    TextDelta,
)

DEFAULT_NAMES = ("", "auto", "default")


class ServedModel(Struct, frozen=True):
    """A model file under the name that requests use."""

    id: str
    path: Path
    aliases: tuple[str, ...] = ()
    parser: str | None = None  # of tool calls; None = what its chat template shows


class Router:
    """Owns the engine processes of the served models; the first model is the default."""

    def __init__(
        self,
        models: tuple[ServedModel, ...],
        options: EngineOptions,
        prefix_folder: str = "",
        *,
        start_process: Callable[[Load], EngineProcess] = EngineProcess,
    ) -> None:
        """Make a router.

        Args:
            models: at least one.
            options: how engines are started.
            prefix_folder: where computed prefixes are kept over restarts; empty = nowhere.
            start_process: makes the process of a model, without starting it.
        """
        if not models:
            raise ValueError("a router needs a model")
        self._entries = [
            _Entry(model, start_process(Load("llama_cpp", str(model.path), options, prefix_folder)))
            for model in models
        ]

    async def start(self) -> None:
        """Begin loading the default model in the background. Never raises for a bad model."""
        self._entries[0].process.start()

    async def ready(self) -> None:
        """Wait until the default model is loaded.

        Raises:
            EngineError: it cannot be loaded.
        """
        await self._entries[0].process.ensure_ready()

    async def aclose(self) -> None:
        """End every engine process."""
        for entry in self._entries:
            await entry.process.aclose()

    def statuses(self) -> tuple[ModelStatus, ...]:
        """One per served model, the default first."""
        return tuple(entry.status() for entry in self._entries)

    def status(self, name: str) -> ModelStatus:
        """The status of the model that answers to `name`.

        Raises:
            ModelNotFound: no served model does.
        """
        return self._find(name).status()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """The events of one answer: Started first, Finished last.

        Closing the generator cancels the work in the engine.

        Raises:
            RequestError: the request cannot be served.
            EngineError: the engine cannot be started, or it died on the way.
        """
        entry = self._find(request.model)
        info = await entry.process.ensure_ready()
        prompt = entry.prompt(request, info)
        parser = choose_parser(
            entry.model.parser, info.chat_template or "", has_tools=bool(request.tools)
        )
        answers = entry.process.generate(
            prompt, request.sampling, echo=request.echo, client=request.client
        )
        async with contextlib.aclosing(answers):
            async for event in _events(answers, parser):
                yield event

    def _find(self, name: str) -> _Entry:
        if name in DEFAULT_NAMES:
            return self._entries[0]
        for entry in self._entries:
            if name == entry.model.id or name in entry.model.aliases:
                return entry
        raise ModelNotFound(name, tuple(entry.model.id for entry in self._entries))


class _Entry:
    """A served model with its process, and its compiled chat template."""

    def __init__(self, model: ServedModel, process: EngineProcess) -> None:
        self.model = model
        self.process = process
        self._template: ChatTemplate | None = None

    def prompt(self, request: GenerateRequest, info: ModelInfo) -> tuple[str | int, ...]:
        """What the engine is to complete."""
        match request.prompt:
            case None:
                return self.template(info).render(request.messages, request.tools)
            case str(text):
                return (text,)
            case tokens:
                return tokens

    def template(self, info: ModelInfo) -> ChatTemplate:
        """Compiled once; a model that has none gets ChatML, the most common one."""
        source = info.chat_template or CHATML
        if self._template is None or self._template.source != source:
            self._template = ChatTemplate(
                source,
                bos_token=info.bos_token,
                eos_token=info.eos_token,
                control_tokens=info.control_tokens,
            )
        return self._template

    def status(self) -> ModelStatus:
        process, info = self.process, self.process.model
        return ModelStatus(
            id=self.model.id,
            state=process.state,
            created=_modified(self.model.path),
            aliases=self.model.aliases,
            progress=process.progress,
            context=info.context if info else None,
            parallel=info.parallel if info else None,
            description=info.description if info else "",
            size_bytes=info.size_bytes if info else None,
            num_restarts=process.num_restarts,
            error=process.error.message if process.error else None,
            hint=process.error.hint if process.error else "",
            last_crash=process.last_crash,
            stats=process.stats,
        )


async def _events(answers: AsyncIterator[Answer], parser: OutputParser) -> AsyncIterator[Event]:
    async for answer in answers:
        match answer:
            case Accepted():
                yield Started(answer.num_prompt_tokens)
            case Delta():
                for event in _with_logprobs(parser.push(answer.text), answer):
                    yield event
            case Done():
                for event in parser.finish():
                    yield event
                yield _finished(answer, parser)
            case _:
                assert_never(answer)


def _with_logprobs(events: list[ContentEvent], delta: Delta) -> list[ContentEvent]:
    """Log-probabilities come with the text of their tokens, or alone while that is held back."""
    if not delta.logprobs:
        return events
    match events:
        case [TextDelta(text), *rest]:
            return [TextDelta(text, delta.logprobs), *rest]
        case _:
            return [TextDelta("", delta.logprobs), *events]


def _finished(done: Done, parser: OutputParser) -> Finished:
    is_call = done.reason == "stop" and parser.num_tool_calls > 0
    return Finished("tool_calls" if is_call else done.reason, done.usage, done.timings)


def _modified(path: Path) -> int:
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return int(time.time())
