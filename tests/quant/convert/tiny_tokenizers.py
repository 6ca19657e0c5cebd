"""Small tokenizers of the shapes that real checkpoints have: byte-level BPE, and SentencePiece.

Written by hand, byte for byte the same everywhere, so that what a converter makes of them can be
compared with a file of digests.
"""

from __future__ import annotations

import struct
from typing import Any

from tests.support.tiny_model import byte_alphabet

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_OTHER = r" ?[^\s\p{L}\p{N}]+[\r\n]*|" + _TAIL
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = _SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + _OTHER
QWEN2 = _SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + _OTHER
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_FIRST, _SECOND = f"{_UPPER}*{_LOWER}+", f"{_UPPER}+{_LOWER}*"
_AHEAD = r"[^\r\n\p{L}\p{N}]?"
_SLASHED = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|" + _TAIL
TEKKEN = rf"{_AHEAD}{_FIRST}|{_AHEAD}{_SECOND}|\p{{N}}|{_SLASHED}"
GPT4O = rf"{_AHEAD}{_FIRST}{_SHORT}?|{_AHEAD}{_SECOND}{_SHORT}?|\p{{N}}{{1,3}}|{_SLASHED}"

_MERGES = "Ġ t|h e|Ġt he|i n|e r|o n|Ġ a|n d|Ġa nd|Ġ w|o r|Ġw or|l d|Ġwor ld|1 2|Ċ Ċ|Ġ Ġ|i s|Ġt is"
_WORDS = [
    *("▁", "▁the", "▁and", "▁world", "the", "and", "or", "in", "er", "on", "is", "▁t", "▁a"),
    *("▁w", "▁wor", "ld", "wor", "th", "nd", "he"),
]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'"


def split_on(regex: str) -> dict[str, Any]:
    """As Llama 3, Qwen 2 and others have it."""
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, _byte_level(use_regex=False)]}


def split_digits() -> dict[str, Any]:
    """As SmolLM and Granite 3 have it."""
    digits = {"type": "Digits", "individual_digits": True}
    return {"type": "Sequence", "pretokenizers": [digits, _byte_level(use_regex=True)]}


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def bpe(
    pre_tokenizer: dict[str, Any],
    added: tuple[str, ...],
    *,
    plain: tuple[str, ...] = (),
    bos: str = "",
    ignore_merges: bool = False,
    are_merges_pairs: bool = False,
) -> dict[str, Any]:
    """A `tokenizer.json`: 256 bytes, some merges, then `added` (special) and `plain` (added, not
    special) tokens.

    Args:
        bos: that every text begins with; empty = the text alone.
    """
    merges = _MERGES.split("|")
    words = [*byte_alphabet(), *(merge.replace(" ", "") for merge in merges)]
    vocab = {word: index for index, word in enumerate(words)}
    tokens = [(text, text in added) for text in (*added, *plain)]
    added_tokens = [_added(len(vocab) + i, text, s) for i, (text, s) in enumerate(tokens)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens,
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": _post_processor(bos, added_tokens),
        "decoder": _byte_level(use_regex=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            "vocab": vocab,
            "merges": [merge.split(" ") for merge in merges] if are_merges_pairs else merges,
        },
    }


def _added(index: int, text: str, special: bool) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": text, **flags, "special": special}


def _post_processor(bos: str, added: list[dict[str, Any]]) -> dict[str, Any]:
    byte_level = {**_byte_level(use_regex=True), "trim_offsets": False}
    if not bos:
        return byte_level
    number = next(token["id"] for token in added if token["content"] == bos)
    return {"type": "Sequence", "processors": [byte_level, template_of(bos, number)]}


def template_of(bos: str, number: int) -> dict[str, Any]:
    """A post-processor that puts a token before each text."""
    first = {"SpecialToken": {"id": bos, "type_id": 0}}
    a, b = ({"Sequence": {"id": name, "type_id": i}} for i, name in enumerate("AB"))
    return {
        "type": "TemplateProcessing",
        "single": [first, a],
        "pair": [first, a, {"SpecialToken": {"id": bos, "type_id": 1}}, b],
        "special_tokens": {bos: {"id": bos, "ids": [number], "tokens": [bos]}},
    }


Piece = tuple[str, float, int]
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6


def llama_pieces() -> list[Piece]:
    """Llama 2's order: three specials, the bytes, then words."""
    head: list[Piece] = [("<unk>", 0.0, _UNKNOWN), ("<s>", 0.0, _CONTROL), ("</s>", 0.0, _CONTROL)]
    return [*head, *_bytes(), *_words()]


def gemma_pieces() -> list[Piece]:
    """Gemma's order; some of its added tokens are user-defined pieces."""
    head: list[Piece] = [
        ("<pad>", 0.0, _CONTROL),
        ("<eos>", 0.0, _CONTROL),
        ("<bos>", 0.0, _CONTROL),
        ("<unk>", 0.0, _UNKNOWN),
        ("<mask>", 0.0, _USER_DEFINED),
        ("[@BOS@]", 0.0, _USER_DEFINED),
        ("<unused0>", 0.0, _USER_DEFINED),
        ("<start_of_turn>", 0.0, _USER_DEFINED),
        ("<end_of_turn>", 0.0, _USER_DEFINED),
        ("\n", 0.0, _USER_DEFINED),
        ("▁▁", 0.0, _USER_DEFINED),
    ]
    return [*head, *_bytes(), *_words()]


def _bytes() -> list[Piece]:
    return [(f"<0x{byte:02X}>", 0.0, _BYTE) for byte in range(256)]


def _words() -> list[Piece]:
    return [(text, float(-i), _NORMAL) for i, text in enumerate([*_WORDS, *_LETTERS])]


def sentencepiece(pieces: list[Piece]) -> bytes:
    """A `tokenizer.model`: SentencePiece's protobuf, of type BPE with bytes for what is unknown."""
    encoded = b"".join(_field(1, _piece(*piece)) for piece in pieces)
    trainer = _varint_field(3, 2) + _varint_field(4, len(pieces)) + _varint_field(35, 1)
    ids = {text: index for index, (text, _, _) in enumerate(pieces)}
    trainer += _varint_field(40, ids["<unk>"])
    trainer += _varint_field(41, ids.get("<s>", ids.get("<bos>", 1)))
    trainer += _varint_field(42, ids.get("</s>", ids.get("<eos>", 2)))
    normalizer = _field(1, b"identity") + _varint_field(3, 0) + _varint_field(4, 0)
    return encoded + _field(2, trainer) + _field(3, normalizer)


def _piece(text: str, score: float, kind: int) -> bytes:
    encoded = _field(1, text.encode()) + bytes([2 << 3 | 5]) + struct.pack("<f", score)
    return encoded if kind == _NORMAL else encoded + _varint_field(3, kind)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def fast_twin(pieces: list[Piece], bos: str, added: tuple[str, ...] = ()) -> dict[str, Any]:
    """The `tokenizer.json` that lies beside a `tokenizer.model`; `added` come after the pieces."""
    vocab = {text: index for index, (text, _, _) in enumerate(pieces)}
    special = [text for text, _, kind in pieces if kind in (_UNKNOWN, _CONTROL)]
    tokens = [_added(vocab[text], text, special=True) for text in special]
    tokens += [_added(len(vocab) + i, text, special=True) for i, text in enumerate(added)]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    prepend = {"type": "Prepend", "prepend": "▁"}
    decoders = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        "normalizer": {"type": "Sequence", "normalizers": [prepend, replace]},
        "pre_tokenizer": None,
        "post_processor": template_of(bos, vocab[bos]),
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": _merges_of(vocab),
        },
    }


def _merges_of(vocab: dict[str, int]) -> list[str]:
    """All ways to join two tokens into a third, in the order of the scores."""
    return [
        f"{text[:cut]} {text[cut:]}"
        for text in _WORDS
        for cut in range(1, len(text))
        if text[:cut] in vocab and text[cut:] in vocab
    ]
