"""The seam between the engine and a runtime: what a runtime must be able to do, and in what words.

A `TokenBackend` works on slots. A slot holds one sequence's part of the KV cache; the engine says
which tokens to feed at which position, so a chunk of a prompt and a step of an answer are the same
thing: `Work`. Samplers are apart from slots, since a sequence may leave its slot and come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from edgellm.protocol import ModelInfo
from edgellm.types import Constraint, Pooling, Sampling, TokenLogprob

State: TypeAlias = memoryview  # bytes: what a slot holds
ProgressCallback: TypeAlias = Callable[[float], None]


class Limits(Struct, frozen=True):
    """What one `step` takes."""

    parallel: int  # sequences that compute at a time
    num_slots: int  # sequences that the KV cache can hold, those kept for later included
    # Where `can_cut`, the last slot is the engine's own, for moving parts of sequences.
    num_cells: int  # tokens that the KV cache can hold, shared ones counted once
    context: int  # tokens that a sequence may have
    can_cut: bool  # whether a part of a sequence can be shared, and not only all of it
    outputs: int  # tokens that can be sampled in one step
    batch_tokens: int  # of all the Work of one step together


class Work(NamedTuple):
    """Feed `tokens` to the sequence in `slot`, from position `start` on; then sample.

    `start` must be the number of tokens that the slot holds already. The last `num_guessed`
    tokens are guesses: each is checked against what is sampled in its place.
    """

    slot: int
    start: int
    tokens: Sequence[int]
    sampler: int | None  # None = do not sample
    num_guessed: int = 0


class Sampled(NamedTuple):
    """The token that was drawn, and its log-probability where the sampling asks for it.

    `failure`: why the answer cannot go on; the token is none of the answer's.
    """

    token: int
    logprob: TokenLogprob | None
    failure: str = ""


class EmbedLimits(Struct, frozen=True):
    """How texts are embedded."""

    context: int  # tokens of one text
    num_slots: int  # texts at a time
    num_cells: int  # tokens of all texts that are not finished
    batch_tokens: int  # that a step should take: more cost memory, and keep others waiting
    is_causal: bool  # attention looks back only, so a text may come in pieces
    pooling: Pooling  # the model's own

    @property
    def most_tokens(self) -> int:
        """That a step can take: a text that cannot be cut may be longer than a batch."""
        return self.batch_tokens if self.is_causal else max(self.batch_tokens, self.context)


class Piece(NamedTuple):
    """Tokens of the text in `slot`, from position `start` on; at least one."""

    slot: int
    start: int
    tokens: Sequence[int]


class TextEnds(Struct, frozen=True):
    """How the model wants texts to begin and end; None = with nothing."""

    begin: int | None = None  # in front of a pair of texts
    separator: int | None = None  # between its two
    end: int | None = None  # behind each of them
    tail: int | None = None  # behind a text alone
    template: str | None = None  # of a pair: has "{query}" and "{document}"


class Embedder(Protocol):
    """Computes texts' vectors, or a reranker's scores. Never while the backend steps.

    `begin` a slot, `feed` it the whole text, then `finish` it (or `score`).
    """

    @property
    def limits(self) -> EmbedLimits: ...

    def begin(self, slot: int, pooling: Pooling) -> None: ...

    def feed(self, pieces: Sequence[Piece]) -> None:
        """At most `limits.most_tokens` of all pieces together. Raises EngineError."""

    def finish(
        self, slot: int, *, is_normalized: bool = True, dimensions: int | None = None
    ) -> bytes:
        """The text's vector as little-endian float32. Raises NotNumbers."""

    def score(self, slot: int) -> float:
        """A reranker's judgement of a pair, 0 to 1. Raises NotNumbers."""

    def drop(self, slot: int) -> None:
        """Forget a text."""

    def close(self) -> None:
        """Free everything."""


class Vocabulary(Struct, frozen=True):
    """What two models must have in common for the tokens of one to mean the same to the other."""

    kind: int  # of tokenizer, as the runtime numbers them
    start: int | None  # the token put in front of a text; None = none is
    end: int | None  # the token put behind a text; None = none is
    texts: tuple[bytes, ...]  # by token


class OutOfMemory(Exception):
    """A step needs more KV cache than is free. Nothing was computed."""


class NotNumbers(Exception):
    """A text's vector or score is not a number: the weights or their rounding are to blame."""


class BadConstraint(Exception):
    """A schema, an expression or a grammar that cannot be compiled.

    Args:
        path: the part of a JSON Schema that is to blame, e.g. ``properties.name.pattern``.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class TokenBackend(Protocol):
    """A runtime whose tokens we schedule. One thread at a time, but for what is thread-safe."""

    @property
    def model(self) -> ModelInfo: ...

    @property
    def limits(self) -> Limits: ...

    def tokenize(self, text: str, *, is_first: bool, parse_special: bool = True) -> list[int]:
        """Token ids. Thread-safe.

        Args:
            is_first: put the beginning-of-text token in front, where the model wants one.
            parse_special: control tokens in `text` are recognised; else they are plain text.
        """

    def vocabulary(self) -> Vocabulary:
        """All tokens; takes a moment for a large one."""

    def max_bytes_per_token(self) -> int | None:
        """No text has fewer tokens than its UTF-8 bytes over this. None = cannot be said."""

    def token_bytes(self, token: int) -> bytes:
        """The token's text, which may be a part of a character; empty for a control token."""

    def shown_bytes(self, token: int) -> bytes:
        """As `token_bytes`, but a control token has its text. Thread-safe."""

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""

    def prepare(self, constraint: Constraint) -> None:
        """Compile a constraint that a sampler will need, while others compute. Thread-safe.

        A mistake in it is told by `add_sampler`.
        """

    def add_sampler(
        self,
        sampler: int,
        sampling: Sampling,
        prompt: Sequence[int],
        generated: Sequence[int] = (),
        constraint: Constraint | None = None,
    ) -> None:
        """Make a sampler of that number; `sampling` has no None where it matters.

        It goes on where a sampler of the same seed was that had drawn `generated`.

        Raises:
            BadConstraint: no sampler was made.
        """

    def remove_sampler(self, sampler: int) -> None:
        """Free a sampler."""

    def forced(self, sampler: int) -> list[int]:
        """What a sampler with a constraint draws next, as far as there is no choice. The slot need
        not hold the tokens before."""

    def step(self, work: Sequence[Work]) -> list[list[Sampled]]:
        """Compute all of `work` at once; for each, what was sampled.

        That is nothing without a sampler, and one token without guesses. With guesses it is
        those that were right, and the token that the model has instead of the first wrong one,
        or behind the last. The slot still holds all that was fed: see `truncate`.

        Raises:
            OutOfMemory: no room in the KV cache.
        """

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        """Let slot `target` hold the tokens at positions [begin, end) of `source` as well."""

    def truncate(self, slot: int, length: int) -> None:
        """Drop what a slot holds behind its first `length` tokens. Only where `can_cut`."""

    def forget(self, slot: int) -> None:
        """Drop all that a slot holds."""

    def state_key(self) -> str:
        """What the states of `get_state` depend on, besides the model's file."""

    def state_bytes(self, slot: int) -> int:
        """How large the state of `get_state` would be."""

    def get_state(self, slot: int) -> State:
        """All that a slot holds, for `set_state` of the same model, parameters and version."""

    def set_state(self, slot: int, state: State) -> bool:
        """Fill an empty slot; False if the state does not fit this context."""

    @property
    def embed_limits(self) -> EmbedLimits:
        """What `embedder` will have."""

    @property
    def text_ends(self) -> TextEnds: ...

    def embedder(self) -> Embedder:
        """Made at the first call, which takes a moment and memory. Raises EngineLoadError."""

    @property
    def threads(self) -> tuple[int, int]:
        """CPU threads of a step of one token, and of a larger one."""

    def set_threads(self, threads: int, threads_batch: int) -> None:
        """Change both, from the next step on."""

    def close(self) -> None:
        """Free everything."""
