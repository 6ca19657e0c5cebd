"""What needs the tokenizer only, in a thread of its own.

A megabyte of text takes a while to tokenise: neither running answers nor the frames that come wait
for that, since the native library computes without Python's lock. Tokens and texts are answered
here; what is to be embedded goes on to the loop as tokens. Knows no sequences.
"""

from __future__ import annotations

import queue
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from edgellm.engine.embedding import Texts as TextsToEmbed
from edgellm.engine.pairs import pair_tokens, text_tokens, truncated
from edgellm.protocol import (
    Cancel,
    Detokenize,
    Embed,
    Failed,
    FromEngine,
    Question,
    Rank,
    Texts,
    ToEngine,
    Tokenize,
    Tokens,
)

if TYPE_CHECKING:
    from edgellm.backends.base import TokenBackend

Order: TypeAlias = ToEngine | TextsToEmbed


class Refusal(Exception):
    """A question that makes no sense to this model."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


class Clerk:
    """`take` what comes in any thread; `run` in one of its own."""

    def __init__(
        self, send: Callable[[list[FromEngine]], None], inbox: queue.SimpleQueue[Order]
    ) -> None:
        """Make a clerk.

        Args:
            send: answers the server; thread-safe.
            inbox: the loop's, for what has to be computed.
        """
        self.backend: TokenBackend | None = None  # once the model is loaded
        self._send = send
        self._inbox = inbox
        self._desk: queue.SimpleQueue[Question | Cancel] = queue.SimpleQueue()
        self._open: set[int] = set()  # that the loop has not got yet

    def take(self, message: ToEngine) -> bool:
        """Whether the message is the clerk's. The end of what lies here still has to follow it."""
        if isinstance(message, Tokenize | Detokenize | Embed | Rank):
            self._open.add(message.id)
        elif not (isinstance(message, Cancel) and message.id in self._open):
            return False
        self._desk.put(message)
        return True

    def run(self) -> None:
        """Work for ever."""
        while True:
            self.work()

    def work(self) -> None:
        """Deal with the next message, when there is one."""
        message = self._desk.get()
        if isinstance(message, Cancel):
            self._inbox.put(message)
            return
        match self._answer(message):
            case TextsToEmbed() as texts:
                self._inbox.put(texts)
            case reply:
                self._send([reply])
        self._open.discard(message.id)

    def _answer(self, question: Question) -> FromEngine | TextsToEmbed:
        if self.backend is None:
            return Failed(question.id, "internal", "The model is not loaded yet.")
        try:
            return answer(self.backend, question)
        except Refusal as refusal:
            return refusal.failed
        except Exception as error:  # noqa: BLE001 - this thread must go on
            traceback.print_exc()
            return Failed(question.id, "internal", f"{type(error).__name__}: {error}")


def answer(backend: TokenBackend, question: Question) -> FromEngine | TextsToEmbed:
    """What the model's tokenizer says. Raises Refusal."""
    match question:
        case Tokenize():
            return Tokens(question.id, tuple(_tokens(backend, question)))
        case Detokenize():
            check_tokens(backend, question.id, question.tokens, "tokens")
            return Texts(question.id, tuple(map(backend.shown_bytes, question.tokens)))
        case Embed():
            return _to_embed(backend, question)
        case Rank():
            return _to_rank(backend, question)


def check_tokens(backend: TokenBackend, id_: int, tokens: Iterable[int], param: str) -> None:
    """Raises Refusal where they are not all tokens of the model."""
    num_vocab = backend.model.vocab_size
    for token in tokens:
        if not 0 <= token < num_vocab:
            message = (
                f"{param} holds the token id {token}, but this model's ids go from 0 to "
                f"{num_vocab - 1}."
            )
            raise Refusal(Failed(id_, "invalid_request", message, param=param))


def _tokens(backend: TokenBackend, question: Tokenize) -> Iterator[int]:
    for index, piece in enumerate(question.pieces):
        if isinstance(piece, int):
            check_tokens(backend, question.id, (piece,), "prompt")
            yield piece
        else:
            is_first = index == 0 and question.add_special
            yield from backend.tokenize(
                piece, is_first=is_first, parse_special=question.parse_special
            )


def _to_embed(backend: TokenBackend, question: Embed) -> TextsToEmbed:
    width = backend.model.embedding_width
    if question.dimensions is not None and question.dimensions > width:
        message = f"This model's embeddings have {width} dimensions, not {question.dimensions}."
        raise Refusal(Failed(question.id, "invalid_request", message, param="dimensions"))
    limits, ends = backend.embed_limits, backend.text_ends
    texts = []
    for index, item in enumerate(question.inputs):
        param = _name(question, index)
        if isinstance(item, str):
            tokens = text_tokens(backend, item)
        else:
            check_tokens(backend, question.id, item, param)
            tokens = item
        if question.must_truncate:
            tokens = truncated(tokens, limits.context, ends)
        texts.append(_checked(tokens, limits.context, question.id, param))
    return TextsToEmbed(
        question.id,
        tuple(texts),
        question.pooling or limits.pooling,
        question.is_normalized,
        question.dimensions,
    )


def _name(question: Embed, index: int) -> str:
    """What errors call an input."""
    if question.names:
        return question.names[index]
    return question.param if len(question.inputs) == 1 else f"{question.param}[{index}]"


def _to_rank(backend: TokenBackend, question: Rank) -> TextsToEmbed:
    limits, ends = backend.embed_limits, backend.text_ends
    texts = (
        _checked(
            pair_tokens(backend, ends, question.query, document),
            limits.context,
            question.id,
            f"documents[{index}]",
            "with the query ",
        )
        for index, document in enumerate(question.documents)
    )
    return TextsToEmbed(question.id, tuple(texts), is_ranked=True)


def _checked(
    tokens: tuple[int, ...], context: int, id_: int, param: str, what: str = ""
) -> tuple[int, ...]:
    if not tokens:
        raise Refusal(Failed(id_, "invalid_request", f"{param} is empty.", param=param))
    if len(tokens) <= context:
        return tokens
    raise Refusal(
        Failed(
            id_,
            "context_length",
            f"{param} has {what}{len(tokens)} tokens, but this model embeds at most {context}.",
            param=param,
            num_prompt_tokens=len(tokens),
            context=context,
        )
    )
