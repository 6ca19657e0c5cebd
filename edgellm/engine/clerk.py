"""Answers what needs the tokenizer only, in a thread of its own.

A megabyte of text takes a second to tokenise: neither running answers nor the frames that come
wait for that, since the native library computes without Python's lock. Knows no sequences.
"""

from __future__ import annotations

import queue
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from edgellm.protocol import Detokenize, Failed, FromEngine, Texts, ToEngine, Tokenize, Tokens

if TYPE_CHECKING:
    from edgellm.backends.base import TokenBackend

Errand: TypeAlias = Tokenize | Detokenize


class Clerk:
    """`take` what comes in any thread; `run` in one of its own."""

    def __init__(self, send: Callable[[list[FromEngine]], None]) -> None:
        """`send` must be thread-safe."""
        self.backend: TokenBackend | None = None  # once the model is loaded
        self._send = send
        self._errands: queue.SimpleQueue[Errand] = queue.SimpleQueue()

    def take(self, message: ToEngine) -> bool:
        """Whether the message is the clerk's."""
        if isinstance(message, Tokenize | Detokenize):
            self._errands.put(message)
            return True
        return False

    def run(self) -> None:
        """Answer for ever."""
        while True:
            self._send([self._answer(self._errands.get())])

    def _answer(self, errand: Errand) -> FromEngine:
        if self.backend is None:
            return Failed(errand.id, "internal", "The model is not loaded yet.")
        try:
            return answer(self.backend, errand)
        except Exception as error:  # noqa: BLE001 - this thread must go on
            traceback.print_exc()
            return Failed(errand.id, "internal", f"{type(error).__name__}: {error}")


def answer(backend: TokenBackend, errand: Errand) -> Tokens | Texts | Failed:
    """What the model's tokenizer says."""
    match errand:
        case Tokenize():
            return _tokenize(backend, errand)
        case Detokenize():
            if refusal := refuse_tokens(backend, errand.tokens):
                return Failed(errand.id, "invalid_request", refusal, param="tokens")
            return Texts(errand.id, tuple(map(backend.shown_bytes, errand.tokens)))


def refuse_tokens(backend: TokenBackend, tokens: Iterable[int], param: str = "tokens") -> str:
    """Why they are not all tokens of the model; empty if they are."""
    num_vocab = backend.model.vocab_size
    for token in tokens:
        if not 0 <= token < num_vocab:
            return (
                f"{param} holds the token id {token}, but this model's ids go from 0 to "
                f"{num_vocab - 1}."
            )
    return ""


def _tokenize(backend: TokenBackend, errand: Tokenize) -> Tokens | Failed:
    ids = (piece for piece in errand.pieces if isinstance(piece, int))
    if refusal := refuse_tokens(backend, ids, "prompt"):
        return Failed(errand.id, "invalid_request", refusal, param="prompt")
    tokens: list[int] = []
    for index, piece in enumerate(errand.pieces):
        if isinstance(piece, int):
            tokens.append(piece)
        else:
            is_first = index == 0 and errand.add_special
            tokens += backend.tokenize(piece, is_first=is_first, parse_special=errand.parse_special)
    return Tokens(errand.id, tuple(tokens))
