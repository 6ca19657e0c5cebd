"""The seam between the engine and a runtime: what a runtime must be able to do, and in what words.

A `TokenBackend` works on slots. A slot holds one sequence's KV cache and its sampler; the engine
says which tokens to feed at which position, so a chunk of a prompt, a step of an answer and a
draft to verify are all the same thing: `Work`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from edgellm.protocol import ModelInfo
from edgellm.types import Sampling, TokenLogprob

ProgressCallback: TypeAlias = Callable[[float], None]


class BackendOptions(Struct, frozen=True):
    """How to load a model. 0 = the backend's own choice."""

    context: int = 0  # tokens of one sequence
    parallel: int = 1  # sequences at a time
    threads: int = 0


class Limits(Struct, frozen=True):
    """What one `step` takes."""

    num_slots: int
    context: int  # tokens that a slot may hold
    batch_tokens: int  # of all the Work of one step together


class Work(NamedTuple):
    """Feed `tokens` to the sequence in `slot`, from position `start` on; then sample, if asked.

    `start` must be the number of tokens that the slot holds already.
    """

    slot: int
    start: int
    tokens: Sequence[int]
    is_sampled: bool


class Sampled(NamedTuple):
    """The token that was drawn, and its log-probability where the sampling asks for it."""

    token: int
    logprob: TokenLogprob | None


class OutOfMemory(Exception):
    """A step needs more KV cache than is free. Nothing was computed."""


class TokenBackend(Protocol):
    """A runtime whose tokens we schedule. One thread at a time, except for `tokenize`."""

    @property
    def model(self) -> ModelInfo: ...

    @property
    def limits(self) -> Limits: ...

    def tokenize(self, text: str, *, is_first: bool) -> list[int]:
        """Token ids; control tokens in `text` are recognised. Thread-safe.

        Args:
            is_first: put the beginning-of-text token in front, where the model wants one.
        """

    def max_bytes_per_token(self) -> int | None:
        """No text has fewer tokens than its UTF-8 bytes over this. None = cannot be said."""

    def token_bytes(self, token: int) -> bytes:
        """The token's text, which may be a part of a character; empty for a control token."""

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""

    def begin(self, slot: int, sampling: Sampling, prompt: Sequence[int]) -> None:
        """Make an empty slot ready for a sequence; `sampling` has no None where it matters."""

    def step(self, work: Sequence[Work]) -> list[Sampled | None]:
        """Compute all of `work` at once; a result for each, None where nothing was sampled.

        Raises:
            OutOfMemory: no room in the KV cache.
        """

    def end(self, slot: int) -> None:
        """Forget the slot's sequence."""

    def close(self) -> None:
        """Free everything."""
