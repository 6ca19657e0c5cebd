"""Which model answers a request: from a name to a loaded engine, and from its text to events.

Names are the resolver's, memory is the pool's. One task per request and no locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeAlias, assert_never

import msgspec

from edgellm.chat.parsers.base import ContentEvent, OutputParser
from edgellm.chat.thinking import ReasoningCount
from edgellm.errors import ContextLengthExceeded
from edgellm.protocol import (
    Accepted,
    Delta,
    Detokenize,
    Done,
    Embed,
    Load,
    ModelInfo,
    Question,
    Rank,
    Ranks,
    Texts,
    Tokenize,
    Tokens,
    Vectors,
)
from edgellm.serving.counting import Counters, is_affordable
from edgellm.serving.entry import Entry, unloaded_status
from edgellm.serving.in_flight import Answer
from edgellm.serving.meter import Meter
from edgellm.serving.pool import Policy, Pool
from edgellm.serving.process import EngineProcess, Found
from edgellm.serving.resolver import Resolver, ServedModel
from edgellm.serving.suitable import check_can
from edgellm.serving.vectors import to_embeddings, to_scores
from edgellm.tokens.counter import TokenCounter
from edgellm.types import (
    Embeddings,
    EmbedRequest,
    Event,
    Finished,
    GenerateRequest,
    ModelStatus,
    RerankRequest,
    Scores,
    Started,
    TextDelta,
)

Prompt: TypeAlias = tuple[str | int, ...]

QUICK_CHARS = 20_000  # of a text whose tokens are counted at once; 2 ms on a small CPU


class Router:
    """Answers requests with whatever model they name, and lets administrators load and unload."""

    def __init__(
        self,
        resolver: Resolver,
        prefix_folder: str = "",
        *,
        policy: Policy = Policy(),  # noqa: B008  (frozen)
        meter: Meter = Meter(),  # noqa: B008  (frozen)
        start_process: Callable[[Load], EngineProcess] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a router. Nothing is loaded before `start` or the first request.

        Args:
            resolver: which models there are; at least one.
            prefix_folder: where computed prefixes are kept over restarts; empty = nowhere.
            start_process: makes the process of a model, without starting it.
        """
        self._resolver = resolver
        self._prefix_folder = prefix_folder
        self._policy = policy
        self._meter = meter
        self._start_process = start_process or self._usual_process
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._pool = Pool(policy, meter, clock)
        self._counters = Counters()

    async def start(self, preload: tuple[str, ...] = ()) -> None:
        """Begin loading the default model in the background, and the named ones as far as there is
        room beside it. Never raises for a model that is bad or too large.

        Raises:
            ModelNotFound: for a name that leads nowhere.
        """
        default, *others = [self._find(name) for name in ("", *preload)]
        self._pool.want(default)
        for entry in others:
            self._pool.want(entry, may_evict=False)

    async def ready(self) -> None:
        """Wait until the default model is loaded.

        Raises:
            EngineError: it cannot be loaded.
        """
        async with self._pool.use(self._find("")):
            pass

    async def aclose(self) -> None:
        """End every engine process."""
        await self._counters.aclose()
        await self._pool.aclose()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """The events of one answer: Started first, Finished last.

        Closing the generator cancels the work in the engine.

        Raises:
            RequestError: the request cannot be served.
            EngineError: the engine cannot be started, or it died on the way.
        """
        entry = self._find(request.model)
        async with self._pool.use(entry, may_wait=request.may_wait) as info:
            if request.keep_alive_seconds is not None:
                entry.keep_alive_seconds = request.keep_alive_seconds
            check_can(info, entry.id, "completion")
            prompt = entry.prompt(request, info)
            await self._check_length(entry, info, prompt)
            parser = entry.parser(request, info, prompt)
            answers = entry.process.generate(
                prompt,
                request.sampling,
                echo=request.echo,
                client=request.client,
                shown=parser.shown_tokens,
                constraint=entry.constraint(request, info, prompt),
            )
            async with contextlib.aclosing(answers):
                async for event in _events(answers, parser, entry.fingerprint(info)):
                    yield event

    async def count_tokens(self, request: GenerateRequest) -> int:
        """How many tokens the prompt of `request` has. Raises as `generate` does."""
        entry = self._find(request.model)
        async with self._pool.use(entry, may_wait=request.may_wait) as info:
            return await self._count(entry, info, entry.prompt(request, info))

    async def prompt_tokens(self, request: GenerateRequest) -> tuple[int, ...]:
        """The tokens of the prompt of `request`. Raises as `generate` does."""
        entry = self._find(request.model)
        async with self._pool.use(entry, may_wait=request.may_wait) as info:
            question = Tokenize(0, entry.prompt(request, info))
            return (await entry.process.ask(question, Tokens)).tokens

    async def render(self, request: GenerateRequest) -> str:
        """The prompt's text: what the model's chat template makes of `request`. Raises as
        `generate` does."""
        entry = self._find(request.model)
        async with self._pool.use(entry, may_wait=request.may_wait) as info:
            pieces = entry.prompt(request, info)
        tokens = tuple(piece for piece in pieces if isinstance(piece, int))
        if tokens:  # a raw prompt's, which is all of one kind
            return await self.detokenize(request.model, tokens)
        return "".join(map(str, pieces))

    async def tokenize(
        self, model: str, text: str, *, add_special: bool = False, parse_special: bool = True
    ) -> tuple[int, ...]:
        """The tokens of a text.

        Args:
            add_special: begin with the model's beginning-of-text token, where it wants one.
            parse_special: read control tokens' texts as these tokens.

        Raises:
            ModelNotFound, EngineError
        """
        question = Tokenize(0, (text,), add_special, parse_special)
        return (await self._ask(model, question, Tokens)).tokens

    async def detokenize(self, model: str, tokens: tuple[int, ...]) -> str:
        """The text of tokens, control tokens included. Raises InvalidRequest for an id that is no
        token's, ModelNotFound, EngineError."""
        return b"".join(await self.token_texts(model, tokens)).decode("utf-8", "replace")

    async def token_texts(self, model: str, tokens: tuple[int, ...]) -> tuple[bytes, ...]:
        """The text of each token, which may be a part of a character. Raises as `detokenize`."""
        return (await self._ask(model, Detokenize(0, tokens), Texts)).texts

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Raises RequestError (the model has no embeddings; an input is too long), EngineError."""
        entry = self._find(request.model)
        question = Embed(
            0,
            request.inputs,
            request.must_truncate,
            request.pooling,
            request.is_normalized,
            request.dimensions,
            request.param,
        )
        async with self._pool.use(entry, may_wait=request.may_wait) as info:
            check_can(info, entry.id, "embedding")
            if request.keep_alive_seconds is not None:
                entry.keep_alive_seconds = request.keep_alive_seconds
            return to_embeddings(await entry.process.ask(question, Vectors))

    async def rerank(self, request: RerankRequest) -> Scores:
        """By a reranker, or by a model that is made for embeddings: see `Scores`. Raises
        RequestError (the model cannot judge documents; one is too long), EngineError."""
        entry = self._find(request.model)
        async with self._pool.use(entry, may_wait=request.may_wait) as info:
            check_can(info, entry.id, "rerank")
            if "rerank" in info.capabilities:
                rank = Rank(0, request.query, request.documents)
                ranks = await entry.process.ask(rank, Ranks)
                return Scores(ranks.scores, ranks.num_prompt_tokens)
            names = ("query", *(f"documents[{i}]" for i in range(len(request.documents))))
            embed = Embed(0, (request.query, *request.documents), names=names)
            return to_scores(to_embeddings(await entry.process.ask(embed, Vectors)))

    # -- what there is --------------------------------------------------------------------------

    def statuses(self) -> tuple[ModelStatus, ...]:
        """One for each model that could be loaded, the default first, and one for each that is
        loaded though no name leads to it any more."""
        models = {model.id: model for model in self._resolver.models()}
        gone = [entry.id for entry in self._pool.room.entries if entry.id not in models]
        known = tuple(self._status(model) for model in models.values())
        return known + tuple(self._entries[id_].status(self._meter, self._clock()) for id_ in gone)

    def status(self, name: str) -> ModelStatus:
        """The status of the model that answers to `name`.

        Raises:
            ModelNotFound: no model does.
        """
        return self._status(self._resolver.resolve(name))

    @property
    def memory_budget_bytes(self) -> int | None:
        """What all models together may take now; None = not known."""
        return self._pool.room.budget_bytes

    # -- for administrators ---------------------------------------------------------------------

    async def load(
        self, name: str, *, is_pinned: bool | None = None, keep_alive_seconds: float | None = None
    ) -> ModelStatus:
        """Load a model, whatever became of the last try, and wait until it is there.

        Args:
            is_pinned: None = as it is.
            keep_alive_seconds: from now on; None = as it is.

        Raises:
            ModelNotFound, EngineError
        """
        entry = self._find(name)
        entry.forgive()
        async with self._pool.use(entry):
            if is_pinned is not None:
                self._pool.pin(entry, is_pinned=is_pinned)
            if keep_alive_seconds is not None:
                entry.keep_alive_seconds = keep_alive_seconds
        return self.status(entry.id)

    async def unload(self, name: str, *, must_wait: bool = False) -> ModelStatus:
        """Unload a model, pinned or not.

        Args:
            must_wait: until its running requests have ended.

        Raises:
            ModelNotFound
            ModelBusy: requests are running, and `must_wait` is false.
        """
        entry = self._find(name)
        await self._pool.unload(entry, must_wait=must_wait)
        return self.status(entry.id)

    def pin(self, name: str, *, is_pinned: bool) -> ModelStatus:
        """Keep a model in memory whatever comes, once it is loaded; or let it go again.

        Raises:
            ModelNotFound
        """
        entry = self._find(name)
        self._pool.pin(entry, is_pinned=is_pinned)
        return self.status(entry.id)

    # -- entries --------------------------------------------------------------------------------

    async def _check_length(self, entry: Entry, info: ModelInfo, prompt: Prompt) -> None:
        """Refuse at once what the engine would refuse later: it may be busy, and would have to cut
        the whole text into tokens first."""
        num_bytes = sum(1 if isinstance(piece, int) else len(piece.encode()) for piece in prompt)
        counter = self._counter(entry, info)
        if counter is None or num_bytes < info.context:  # a token has a byte at least
            return
        if counter.fewest(prompt) >= info.context:  # the engine will say so without counting either
            return
        num_tokens = await self._count(entry, info, prompt)
        if num_tokens >= info.context:
            raise ContextLengthExceeded(num_tokens, info.context)

    async def _count(self, entry: Entry, info: ModelInfo, prompt: Prompt) -> int:
        """The prompt's tokens, without the engine where that is possible."""
        counter = self._counter(entry, info)
        if counter is None:
            return len((await entry.process.ask(Tokenize(0, prompt), Tokens)).tokens)
        if sum(len(piece) for piece in prompt if isinstance(piece, str)) < QUICK_CHARS:
            return counter.count(prompt)
        return await asyncio.to_thread(counter.count, prompt)

    def _counter(self, entry: Entry, info: ModelInfo) -> TokenCounter | None:
        async def ask(question: Tokenize) -> tuple[int, ...]:
            return (await entry.process.ask(question, Tokens)).tokens

        def can_afford() -> bool:
            return is_affordable(info.vocab_size, self.memory_budget_bytes)

        return self._counters.find(entry.model.path, info.control_tokens, ask, can_afford)

    async def _ask(self, model: str, question: Question, kind: type[Found]) -> Found:
        entry = self._find(model)
        async with self._pool.use(entry):
            return await entry.process.ask(question, kind)

    def _find(self, name: str) -> Entry:
        """The entry of a name. A name that has moved to another file gets a new one, as soon as
        nobody uses the old."""
        model = self._resolver.resolve(name)
        entry = self._entries.get(model.id)
        if entry is not None and (entry.model == model or entry.num_requests or entry.num_waiting):
            return entry
        if entry is not None:
            self._pool.retire(entry)
        load = Load(model.backend, str(model.path), model.options, self._prefix_folder)
        process = self._start_process(load)
        entry = self._entries[model.id] = Entry(model, process, self._policy.keep_alive_seconds)
        return entry

    def _usual_process(self, load: Load) -> EngineProcess:
        return EngineProcess(load, num_oom_kills=self._meter.num_oom_kills)

    def _status(self, model: ServedModel) -> ModelStatus:
        entry = self._entries.get(model.id)
        if entry is None:
            return unloaded_status(model)
        status = entry.status(self._meter, self._clock())
        return msgspec.structs.replace(status, aliases=model.aliases)


async def _events(
    answers: AsyncIterator[Answer], parser: OutputParser, fingerprint: str
) -> AsyncIterator[Event]:
    reasoning = ReasoningCount(parser)
    async for answer in answers:
        match answer:
            case Accepted():
                yield Started(answer.num_prompt_tokens, fingerprint)
            case Delta():
                events = _with_logprobs(parser.push(answer.text), answer)
                reasoning.add(answer)
                for event in events:
                    yield event
            case Done():
                num_reasoning = reasoning.total(answer.usage.completion_tokens)
                for event in parser.finish():
                    yield event
                yield _finished(answer, parser, num_reasoning)
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


def _finished(done: Done, parser: OutputParser, num_reasoning: int) -> Finished:
    is_call = done.reason == "stop" and parser.num_tool_calls > 0
    usage = msgspec.structs.replace(done.usage, reasoning_tokens=num_reasoning)
    return Finished("tool_calls" if is_call else done.reason, usage, done.timings, done.stop)
