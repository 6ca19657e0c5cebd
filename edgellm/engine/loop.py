"""The engine's one loop: inbox -> step -> outbox.

`Engine` is a plain object without threads or pipes (`submit`, `cancel`, `step`), `run` drives it
with messages from a queue. An error in one request ends that request; an error in the runtime
ends the process, and the server starts another.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator

from edgellm.backends.base import BadConstraint, OutOfMemory, Sampled, TokenBackend, Work
from edgellm.engine.checkpoints import CheckpointCache
from edgellm.engine.clerk import Order
from edgellm.engine.embedding import Embedding, Texts
from edgellm.engine.guesser import Guesser
from edgellm.engine.host_cache import HostCache
from edgellm.engine.kv_cache import KVCache
from edgellm.engine.look_ahead import LookAhead
from edgellm.engine.pace import Pace
from edgellm.engine.prefix_cache import PrefixCache, RadixCache
from edgellm.engine.prefix_store import PrefixStore
from edgellm.engine.sampling import resolve
from edgellm.engine.scheduler import Scheduler
from edgellm.engine.sequence import Sequence
from edgellm.engine.speculation import StepCost
from edgellm.protocol import (
    Accepted,
    Cancel,
    Delta,
    Done,
    Failed,
    FromEngine,
    Generate,
    Shutdown,
    Stats,
)
from edgellm.types import EngineStats, FinishReason

STATS_SECONDS = 0.1
SAVE_SECONDS = 300.0  # between saves of prefixes, when there is nothing to compute


class _Refusal(Exception):
    """A request that cannot be computed; `param` names the field."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


class Engine:
    """Completes the prompts that are submitted, all together, a step at a time."""

    def __init__(
        self,
        backend: TokenBackend,
        prefixes: PrefixCache | None = None,
        *,
        guesser: Guesser | None = None,
        host_bytes: int = 0,
    ) -> None:
        """Make an engine.

        Args:
            prefixes: what is used again of earlier work; None = as much as the backend can.
            guesser: guesses tokens while that pays; None = they are not guessed.
            host_bytes: of main memory, for what leaves the KV cache; 0 = it is forgotten.
        """
        self._backend = backend
        if prefixes is None:
            prefixes = RadixCache() if backend.limits.can_cut else _checkpoints(host_bytes)
        host = HostCache(host_bytes) if host_bytes and backend.limits.can_cut else None
        self._cache = KVCache(backend, backend.limits, prefixes, host)
        self._pace = Pace(backend.limits.batch_tokens)
        self._guesser = guesser if backend.limits.can_cut else None
        self._cost = guesser.cost if guesser is not None else StepCost()
        look_ahead = LookAhead(self._cost, backend.forced) if backend.limits.can_cut else None
        self._scheduler = Scheduler(backend.limits, self._cache, self._guesser, look_ahead)
        self._embedding = Embedding(backend)
        self._sequences: dict[int, Sequence] = {}
        self._num_prompt_tokens = 0
        self._num_generated_tokens = 0
        self._num_guessed_tokens = 0
        self._num_kept_tokens = 0
        self._num_steps = 0
        self._num_saved = 0  # `_num_prompt_tokens` when prefixes were saved last
        self._max_bytes_per_token = backend.max_bytes_per_token()

    @property
    def is_idle(self) -> bool:
        return not self._sequences and self._embedding.is_idle

    @property
    def stats(self) -> EngineStats:
        return EngineStats(
            num_running=len(self._scheduler.running),
            num_waiting=len(self._scheduler.waiting),
            num_prompt_tokens=self._num_prompt_tokens,
            num_generated_tokens=self._num_generated_tokens,
            num_embedded_tokens=self._embedding.num_tokens,
            num_guessed_tokens=self._num_guessed_tokens,
            num_kept_tokens=self._num_kept_tokens,
            num_steps=self._num_steps,
            num_cells=self._backend.limits.num_cells,
            num_used_cells=self._cache.num_used,
        )

    def submit(self, request: Generate) -> list[FromEngine]:
        """Queue a request, or say why not."""
        if "completion" not in self._backend.model.capabilities:
            message = "This model is made for embeddings: it cannot write text."
            return [Failed(request.id, "invalid_request", message, param="model")]
        context = self._backend.limits.context
        shortest = self._fewest_tokens(request)
        if shortest >= context:  # not worth tokenising
            return [_too_long(request.id, shortest, context, "at least ")]
        try:
            self._check_tokens(request.sampling.logit_bias, "logit_bias")
            self._check_tokens(request.generated, "generated")
            prompt = self._tokenize(request)
        except _Refusal as refusal:
            return [Failed(request.id, "invalid_request", str(refusal), param=refusal.param)]
        if len(prompt) >= context:
            return [_too_long(request.id, len(prompt), context)]
        answer: list[FromEngine] = [Accepted(request.id, len(prompt))]
        if request.echo:
            text = b"".join(map(self._backend.token_bytes, prompt)).decode("utf-8", "replace")
            answer.append(Delta(request.id, text))
        sampling = resolve(request.sampling, self._backend.model.sampling)
        generated, constraint = request.generated, request.constraint
        shown = self._shown(request.shown)
        sequence = Sequence(
            request.id, prompt, sampling, context, request.client, generated, shown, constraint
        )
        reason = self._replay(sequence)
        if reason is not None:
            return [*answer, _done(sequence, reason)]
        try:
            self._backend.add_sampler(sequence.id, sampling, prompt, generated, constraint)
        except BadConstraint as error:
            return [_bad_constraint(request, error)]
        self._sequences[request.id] = sequence
        self._scheduler.add(sequence)
        return answer

    def cancel(self, id_: int) -> None:
        """Drop a request without an answer."""
        sequence = self._sequences.get(id_)
        if sequence is not None:
            self._release(sequence)
        self._embedding.cancel(id_)

    def embed(self, texts: Texts) -> list[FromEngine]:
        """Queue texts to embed, or say why not."""
        return self._embedding.submit(texts)

    def step(self) -> list[FromEngine]:
        """Compute once for answers and once for embeddings, and tell what came of it."""
        told = self._step()
        return told + self._embedding.step(is_anyone_decoding=bool(self._sequences))

    def _step(self) -> list[FromEngine]:
        work = self._scheduler.schedule(self._pace)
        if not work:
            return []
        began = time.monotonic()
        try:
            sampled = self._backend.step(work)
        except OutOfMemory:
            hopeless = self._scheduler.make_room()
            return [self._fail(hopeless)] if hopeless else []
        self._learn(work, time.monotonic() - began)
        return list(self._commit(work, sampled))

    def save(self, store: PrefixStore) -> None:
        """Write the prefixes that are worth it to disk, if there are new ones."""
        if self._num_saved != self._num_prompt_tokens:
            self._num_saved = self._num_prompt_tokens
            store.save(self._cache.export())

    def restore(self, store: PrefixStore) -> None:
        """Take in what an earlier process saved, as far as there is room."""
        for tokens, state in store.load():
            self._cache.adopt(tokens, state)

    # -- inside ---------------------------------------------------------------------------------

    def _learn(self, work: list[Work], seconds: float) -> None:
        """Let what decides the next steps' sizes know what this one took."""
        num_tokens = sum(len(item.tokens) for item in work)
        num_guessed = sum(item.num_guessed for item in work)
        if num_tokens == len(work) + num_guessed:  # nothing but answers
            self._cost.observe(len(work), num_guessed, seconds)
        else:
            self._pace.observe(num_tokens, seconds)

    def _fewest_tokens(self, request: Generate) -> int:
        """A lower bound for the prompt's tokens, without looking at the text."""
        num_chars = sum(len(piece) for piece in request.prompt if isinstance(piece, str))
        if self._max_bytes_per_token is None:
            return 0
        return num_chars // self._max_bytes_per_token

    def _tokenize(self, request: Generate) -> list[int]:
        tokens: list[int] = []
        for index, piece in enumerate(request.prompt):
            if isinstance(piece, int):
                self._check_tokens((piece,), "prompt")
                tokens.append(piece)
            else:
                tokens += self._backend.tokenize(piece, is_first=index == 0)
        if not tokens:
            raise _Refusal("The prompt is empty.", "prompt")
        return tokens

    def _check_tokens(self, tokens: Iterable[int], param: str) -> None:
        num_vocab = self._backend.model.vocab_size
        for token in tokens:
            if not 0 <= token < num_vocab:
                raise _Refusal(
                    f"{param} holds the token id {token}, but this model's ids go from 0 to "
                    f"{num_vocab - 1}.",
                    param,
                )

    def _shown(self, texts: Iterable[str]) -> dict[int, bytes]:
        """The control tokens that have one of these texts, with their bytes."""
        known = {*texts}.intersection(self._backend.model.control_tokens)
        tokens = {text: self._backend.tokenize(text, is_first=False) for text in known}
        return {ids[0]: text.encode() for text, ids in tokens.items() if len(ids) == 1}

    def _bytes(self, sequence: Sequence, token: int) -> bytes:
        """The token's part of the answer's text."""
        shown = sequence.shown.get(token)
        return self._backend.token_bytes(token) if shown is None else shown

    def _replay(self, sequence: Sequence) -> FinishReason | None:
        """Bring the text up to the tokens that another engine made and told; why the answer ends
        with them, if it does. What they give is known already."""
        reason: FinishReason | None = None
        for token in sequence.tokens[sequence.num_prompt :]:
            is_end = self._backend.is_end(token)
            if not is_end:
                sequence.detokenizer.push(self._bytes(sequence, token))
            reason = sequence.finish_reason(is_end=is_end)
        return reason

    def _commit(self, work: list[Work], sampled: list[list[Sampled]]) -> Iterator[FromEngine]:
        self._num_steps += 1
        self._num_guessed_tokens += sum(item.num_guessed for item in work)
        for item in work:
            num_prompt = self._scheduler.running[item.slot].num_prompt
            self._num_prompt_tokens += max(0, min(len(item.tokens), num_prompt - item.start))
        for results in sampled:
            self._num_kept_tokens += max(0, len(results) - 1)
        for sequence, result in self._scheduler.commit(work, sampled):
            self._num_generated_tokens += 1
            yield from self._advance(sequence, result)

    def _advance(self, sequence: Sequence, result: Sampled) -> Iterator[FromEngine]:
        """Turn a sequence's newest token into text, and end the sequence if it is time."""
        if result.failure:
            yield self._give_up(sequence, result.failure)
            return
        detokenizer = sequence.detokenizer
        is_end = self._backend.is_end(result.token)
        parts = []
        if not is_end:
            parts.append(detokenizer.push(self._bytes(sequence, result.token), result.logprob))
        reason = sequence.finish_reason(is_end=is_end)
        if reason is not None and not detokenizer.is_stopped:
            parts.append(detokenizer.finish())
            reason = "stop" if detokenizer.is_stopped else reason
        text = "".join(part.text for part in parts)
        logprobs = tuple(entry for part in parts for entry in part.logprobs)
        if text or logprobs:
            yield Delta(sequence.id, text, logprobs, sequence.take_untold())
        if reason is not None:
            yield self._finish(sequence, reason)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> Done:
        self._release(sequence)
        return _done(sequence, reason)

    def _release(self, sequence: Sequence) -> None:
        del self._sequences[sequence.id]
        self._backend.remove_sampler(sequence.id)
        self._scheduler.remove(sequence)

    def _give_up(self, sequence: Sequence, reason: str) -> Failed:
        """What the answer must match cannot be followed any further."""
        self._release(sequence)
        return Failed(
            sequence.id,
            "invalid_request",
            f"The answer cannot be held to what was asked: {reason}",
            "Simplify the schema or the grammar.",
            param=sequence.constraint.param if sequence.constraint else "response_format",
        )

    def _fail(self, sequence: Sequence) -> Failed:
        self._release(sequence)
        return Failed(
            sequence.id,
            "internal",
            "The KV cache is full.",
            "Start the server with a smaller --parallel or a larger --context.",
        )


def _done(sequence: Sequence, reason: FinishReason) -> Done:
    stop = sequence.detokenizer.found
    return Done(sequence.id, reason, sequence.usage(), sequence.timings(), stop)


def _checkpoints(host_bytes: int) -> CheckpointCache:
    return CheckpointCache(host_bytes) if host_bytes else CheckpointCache()


def _bad_constraint(request: Generate, error: BadConstraint) -> Failed:
    constraint = request.constraint
    assert constraint is not None
    what = {"json_schema": "JSON Schema", "regex": "regular expression", "grammar": "grammar"}
    param = f"{constraint.param}.{error.path}" if error.path else constraint.param
    return Failed(
        request.id,
        "invalid_request",
        f"This {what[constraint.kind]} cannot be used: {error}",
        f"The problem is in {param}." if error.path else "",
        param=param,
    )


def _too_long(id_: int, num_prompt_tokens: int, context: int, qualifier: str = "") -> Failed:
    return Failed(
        id_,
        "context_length",
        f"This model's maximum context length is {context} tokens, but the prompt has "
        f"{qualifier}{num_prompt_tokens} tokens.",
        "Shorten the prompt, or start the server with a larger --context.",
        num_prompt_tokens=num_prompt_tokens,
        context=context,
    )


def run(
    engine: Engine,
    inbox: queue.SimpleQueue[Order],
    send: Callable[[list[FromEngine]], None],
    store: PrefixStore | None = None,
) -> None:
    """Serve until `Shutdown`. `send` gets all messages of a step at once."""
    told = saved = time.monotonic()
    is_over = False
    while not is_over:
        outbox, is_over = _receive(engine, _drain(inbox, is_blocking=engine.is_idle))
        outbox += engine.step()
        now = time.monotonic()
        if engine.is_idle or now - told >= STATS_SECONDS:
            told = now
            outbox.append(Stats(engine.stats))
        send(outbox)
        if store is not None and (is_over or (engine.is_idle and now - saved >= SAVE_SECONDS)):
            saved = now
            engine.save(store)


def _receive(engine: Engine, messages: Iterable[Order]) -> tuple[list[FromEngine], bool]:
    """What there is to answer at once, and whether it is time to stop."""
    outbox: list[FromEngine] = []
    for message in messages:
        match message:
            case Generate():
                outbox += engine.submit(message)
            case Cancel():
                engine.cancel(message.id)
            case Shutdown():
                return outbox, True
            case Texts():
                outbox += engine.embed(message)
            case _:  # a second Load, or what the clerk should have taken
                raise RuntimeError(f"a {type(message).__name__} frame is not the loop's")
    return outbox, False


def _drain(inbox: queue.SimpleQueue[Order], *, is_blocking: bool) -> Iterator[Order]:
    """All that is there; where there is nothing else to do, wait for one."""
    if is_blocking:
        yield inbox.get()
    while not inbox.empty():
        yield inbox.get()
