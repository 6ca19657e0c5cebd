"""Reads SentencePiece vocabularies: `tokenizer.model`, or what of it `tokenizer.json` has.

Of the protobuf only the pieces are needed, field 1 of the model: 1 the text, 2 the score (float),
3 the type. https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.vocabulary.tokens import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Vocabulary,
    check_room,
    empty,
    kind_of_added,
    without_marks,
)

ADDED_SCORE = -1000.0
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
# The protobuf's types; what a user defined is made a token of its own by the other files.
_KINDS = {1: NORMAL, 2: UNKNOWN, 3: CONTROL, 4: NORMAL, 5: UNUSED, 6: BYTE}
Piece: TypeAlias = tuple[str, float, int]


def read_sentencepiece(path: Path, size: int) -> Vocabulary:
    """The vocabulary of a `tokenizer.model`, padded to `size` with unused tokens.

    Raises:
        QuantError: it cannot be read.
    """
    try:
        pieces = [_piece(data) for number, data in _fields(path.read_bytes()) if number == 1]
    except OSError as error:
        raise QuantError(f"{path} cannot be read: {error.strerror}.") from error
    except (LookupError, struct.error, ValueError) as error:
        raise QuantError(f"{path.name} is no SentencePiece model.", "Fetch it again.") from error
    if not pieces:
        raise QuantError(f"{path.name} has no tokens.", "Fetch it again.")
    check_room(len(pieces) - 1, size)
    found = empty("llama", "default", size)
    for index, (text, score, kind) in enumerate(pieces):
        found.put(index, text, kind, score)
    return found


def from_merges(tokenizer: Json, size: int) -> Vocabulary:
    """The same from a `tokenizer.json` of BPE with bytes for what is unknown.

    There are no scores in it, but the order of the merges is what the scores say: llama.cpp joins
    the pair of the highest score first. (Its own converter gives all tokens one score.)
    """
    model = tokenizer["model"]
    ids: dict[str, int] = model["vocab"]
    check_room(max(ids.values(), default=0), size)
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(model.get("merges", [])):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        ranks.setdefault("".join(parts), rank)
    found = empty("llama", "default", size)
    for text, index in ids.items():
        found.put(index, text, _kind(text, model), -float(ranks.get(text, len(ranks))))
    return found


def _kind(text: str, model: Json) -> int:
    if text == model.get("unk_token"):
        return UNKNOWN
    is_byte = len(text) == 6 and text.startswith("<0x") and text.endswith(">")
    return BYTE if is_byte else NORMAL


def add_by_name(found: Vocabulary, added: dict[str, int]) -> None:
    """What `added_tokens.json` names."""
    for text, index in added.items():
        found.put(index, text, USER_DEFINED, ADDED_SCORE)


def add_tokens(found: Vocabulary, added: list[Json], *, is_literal: bool = False) -> None:
    """What the tokenizer's other files add or say of its tokens.

    Args:
        is_literal: take only their own word for which are control tokens (as for Phi).
    """
    for token in added:
        text, is_special = token["content"], bool(token.get("special"))
        kind = CONTROL if is_special else USER_DEFINED
        if not is_literal:
            kind = kind_of_added(text, is_special=is_special)
            text = without_marks(text, kind)
        found.put(int(token["id"]), text, kind, ADDED_SCORE)


def _piece(data: bytes) -> Piece:
    text, score, kind = "", 0.0, NORMAL
    for number, value in _fields(data):
        if number == 1:
            text = value.decode()
        elif number == 2:
            score = struct.unpack("<f", value)[0]
        elif number == 3:
            kind = _KINDS[value[0]]
    return text, score, kind


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each field of a protobuf message; of a varint, its lowest byte.

    Raises:
        IndexError, ValueError: it is none.
    """
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, bytes([value & 0xFF])
            continue
        size = {_EIGHT: 8, _FOUR: 4}.get(wire, 0)
        if wire == _BYTES:
            size, position = _varint(data, position)
        elif not size:
            raise ValueError(f"field type {wire}")
        if position + size > len(data):
            raise ValueError("cut off")
        yield key >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("number too long")
