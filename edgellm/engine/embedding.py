"""Texts to embed or to judge, in steps that fit between the steps of running answers.

One step takes tokens of many short texts, or a piece of a long one. Requests take turns with their
texts, so that a short one does not wait for two thousand others. Knows tokens only.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from edgellm.backends.base import Embedder, EmbedLimits, NotNumbers, Piece, TokenBackend
from edgellm.engine.pace import Pace
from edgellm.errors import EngineLoadError
from edgellm.protocol import Failed, FromEngine, Ranks, Vectors
from edgellm.types import Pooling


class Texts(Struct, frozen=True):
    """A request's texts as tokens, each of them within the limits."""

    id: int
    texts: tuple[tuple[int, ...], ...]
    pooling: Pooling = "mean"
    is_normalized: bool = True
    dimensions: int | None = None
    is_ranked: bool = False  # pairs of query and document, whose scores are wanted


class _Job:
    """A request under way."""

    def __init__(self, texts: Texts) -> None:
        self.request = texts
        self.results: list[bytes] = [b""] * len(texts.texts)
        self.num_begun = 0
        self.num_finished = 0


class _Text:
    """A text that has a slot."""

    def __init__(self, job: _Job, index: int, slot: int) -> None:
        self.job = job
        self.index = index
        self.slot = slot
        self.tokens = job.request.texts[index]
        self.num_computed = 0

    @property
    def num_left(self) -> int:
        return len(self.tokens) - self.num_computed


class Embedding:
    """`submit`, `step`, `cancel`, as the engine's own."""

    def __init__(self, backend: TokenBackend) -> None:
        self._backend = backend
        self._limits: EmbedLimits = backend.embed_limits
        self._pace = Pace(self._limits.batch_tokens)
        self._jobs: dict[int, _Job] = {}
        self._waiting: deque[_Job] = deque()  # that have texts to begin, the next one first
        self._open: list[_Text] = []
        self.num_tokens = 0  # computed so far
        self._free_slots = list(range(self._limits.num_slots))

    @property
    def is_idle(self) -> bool:
        return not self._jobs

    def submit(self, texts: Texts) -> list[FromEngine]:
        """Queue a request, or say why not."""
        try:
            self._backend.embedder()
        except EngineLoadError as error:
            return [Failed(texts.id, "internal", error.message, error.hint)]
        job = self._jobs[texts.id] = _Job(texts)
        if not texts.texts:
            return [self._finish(job)]
        self._waiting.append(job)
        return []

    def cancel(self, id_: int) -> None:
        """Drop a request without an answer."""
        job = self._jobs.pop(id_, None)
        if job is None:
            return
        for text in [text for text in self._open if text.job is job]:
            self._embedder.drop(text.slot)
            self._close(text)
        if job in self._waiting:
            self._waiting.remove(job)

    def step(self, *, is_anyone_decoding: bool) -> list[FromEngine]:
        """Compute once, and tell what is finished."""
        work = list(self._schedule(self._pace.budget(is_anyone_decoding=is_anyone_decoding)))
        if not work:
            return []
        began = time.monotonic()
        self._embedder.feed([piece for _, piece in work])
        num_tokens = sum(len(piece.tokens) for _, piece in work)
        self.num_tokens += num_tokens
        self._pace.observe(num_tokens, time.monotonic() - began)
        return list(self._commit(work))

    # -- inside ---------------------------------------------------------------------------------

    @property
    def _embedder(self) -> Embedder:
        return self._backend.embedder()

    def _schedule(self, budget: int) -> Iterator[tuple[_Text, Piece]]:
        """First what has begun, then new texts as far as there are room, slots and cells."""
        for text in self._open:
            if budget > 0:
                piece = self._piece(text, budget)
                budget -= len(piece.tokens)
                yield text, piece
        num_cells = sum(len(text.tokens) for text in self._open)
        is_empty = not self._open
        while self._waiting and self._free_slots:
            job = self._waiting[0]
            length = len(job.request.texts[job.num_begun])
            takes = 1 if self._limits.is_causal else length
            has_cells = num_cells + length <= self._limits.num_cells or not self._limits.is_causal
            if not is_empty and not (takes <= budget and has_cells):
                return
            text = self._begin(job)
            piece = self._piece(text, budget)
            budget -= len(piece.tokens)
            num_cells += length
            is_empty = False
            yield text, piece

    def _piece(self, text: _Text, budget: int) -> Piece:
        """Of a text that cannot be cut, all of it, whatever the budget."""
        length = min(text.num_left, budget) if self._limits.is_causal else text.num_left
        begin = text.num_computed
        return Piece(text.slot, begin, text.tokens[begin : begin + length])

    def _begin(self, job: _Job) -> _Text:
        """Give the job's next text a slot; then it is another job's turn."""
        self._waiting.popleft()
        text = _Text(job, job.num_begun, self._free_slots.pop())
        job.num_begun += 1
        if job.num_begun < len(job.request.texts):
            self._waiting.append(job)
        self._open.append(text)
        self._embedder.begin(text.slot, job.request.pooling)
        return text

    def _commit(self, work: list[tuple[_Text, Piece]]) -> Iterator[FromEngine]:
        for text, piece in work:
            text.num_computed += len(piece.tokens)
            if text.num_left:
                continue
            if text in self._open:  # and not ended with its request just now
                yield from self._end(text)

    def _end(self, text: _Text) -> Iterator[FromEngine]:
        """All of a text is computed."""
        job = text.job
        self._close(text)
        try:
            job.results[text.index] = self._result(text)
        except NotNumbers:
            self.cancel(job.request.id)
            message = "The model computed something that is not a number."
            hint = "Try another quantisation of the model, or --flash-attention off."
            yield Failed(job.request.id, "internal", message, hint)
            return
        job.num_finished += 1
        if job.num_finished == len(job.results):
            yield self._finish(job)

    def _result(self, text: _Text) -> bytes:
        request = text.job.request
        if request.is_ranked:
            return struct.pack("<d", self._embedder.score(text.slot))
        return self._embedder.finish(
            text.slot, is_normalized=request.is_normalized, dimensions=request.dimensions
        )

    def _close(self, text: _Text) -> None:
        self._open.remove(text)
        self._free_slots.append(text.slot)

    def _finish(self, job: _Job) -> FromEngine:
        request, data = job.request, b"".join(job.results)
        self._jobs.pop(request.id, None)
        num_tokens = sum(map(len, request.texts))
        if request.is_ranked:
            scores = struct.unpack(f"<{len(job.results)}d", data)
            return Ranks(request.id, scores, num_tokens)
        width = request.dimensions or self._backend.model.embedding_width
        return Vectors(request.id, width, data, num_tokens)
