"""A vocabulary as GGUF has it: the tokens, what kind each is, how two are joined."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from msgspec import Struct

from edgellm.errors import QuantError

_log = logging.getLogger(__name__)

# llama.cpp's numbers (`llama_token_type`).
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
Model: TypeAlias = Literal["gpt2", "llama"]


class Vocabulary(Struct):
    """`scores` are for "llama" (SentencePiece), `merges` for "gpt2" (byte-level BPE)."""

    model: Model
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float] | None = None
    merges: list[str] | None = None

    def put(self, index: int, text: str, kind: int, score: float) -> None:
        """Set a token, where there is room for it: the text part of a model that sees names some
        for images that its vocabulary ends before."""
        if not 0 <= index < len(self.tokens):
            _log.warning("the token %r (%d) is beyond the model's vocabulary", text, index)
            return
        self.tokens[index], self.types[index] = text, kind
        if self.scores is not None:
            self.scores[index] = score


def empty(model: Model, pre: str, size: int) -> Vocabulary:
    """Unused tokens only, as many as the embedding has rows."""
    scores = [-10000.0] * size if model == "llama" else None
    tokens = [f"[PAD{index}]" for index in range(size)]
    return Vocabulary(model, pre, tokens, [UNUSED] * size, scores)


def check_room(largest: int, size: int) -> None:
    """Refuse a tokenizer that has tokens which the model has not.

    Raises:
        QuantError: it has.
    """
    if largest >= size:
        raise QuantError(
            f"The tokenizer has a token {largest}, but the model's vocabulary ends at {size - 1}.",
            "Do tokenizer and config.json belong together?",
        )


def looks_like_control(text: str) -> bool:
    """Some tokenizers do not mark all of their control tokens as special; these names are."""
    return (
        text in {"<pad>", "<mask>", "<2mass>", "[@BOS@]"}
        or (text.startswith("<|") and text.endswith("|>"))
        or (text.startswith("<｜") and text.endswith("｜>"))
        or (text.startswith("<unused") and text.endswith(">"))
    )


def kind_of_added(text: str, *, is_special: bool) -> int:
    """Of a token that was added to a vocabulary after its training."""
    return CONTROL if is_special or looks_like_control(text) else USER_DEFINED


def without_marks(text: str, kind: int) -> str:
    """llama.cpp looks for user-defined tokens in the text itself, which has plain spaces."""
    return text.replace("▁", " ") if kind == USER_DEFINED else text
