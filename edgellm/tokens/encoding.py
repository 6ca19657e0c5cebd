"""Cuts text into a model's tokens without its engine: a tiktoken encoding of a GGUF's vocabulary.

Byte-level BPE only (llama.cpp's "gpt2"). tiktoken joins the pair whose joint text has the lowest
rank, llama.cpp the pair that comes first among the merges; with each text ranked by its first merge
these are alike in vocabularies that were trained as BPE. Whether they are in this one is for
`check.py` to find out, before anybody relies on it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator

import regex
import tiktoken

from edgellm.tokens.patterns import Split, find_split
from edgellm.tokens.vocabulary import Vocabulary

_BYTES = 256
_DIGITS = regex.compile(r"(\p{N})")


class Encoding:
    """Text -> token ids, as llama.cpp would give them."""

    def __init__(
        self, vocabulary: Vocabulary, split: Split, control_tokens: Iterable[str] = ()
    ) -> None:
        ranks = _ranks(vocabulary.merges)
        ids = {text: id_ for id_, text in enumerate(vocabulary.tokens)}
        # Texts that merges make and that are no tokens have the id -1: nothing equals that.
        self._ids = array("i", (ids.get(_printable(data), -1) for data in ranks))
        self._bpe = tiktoken.Encoding(
            "gguf", pat_str=split.pattern, mergeable_ranks=ranks, special_tokens={}
        )
        self._bpe._mergeable_ranks = {}  # for its decoding only, which nobody asks for
        self._has_digits = split.digits
        self.max_token_bytes = max(
            *map(len, ranks),
            *(len(text.encode()) for text in vocabulary.specials(with_control=True)),
            1,
        )
        control = {text: ids[text] for text in control_tokens if text in ids}
        self._control = _Cutter(vocabulary.specials(with_control=True) | control)
        self._plain = _Cutter(vocabulary.specials(with_control=False))

    def encode(self, text: str, *, parse_special: bool = True) -> list[int]:
        """The tokens of a text, without a beginning-of-text token.

        Args:
            parse_special: read control tokens' texts as these tokens.
        """
        cutter = self._control if parse_special else self._plain
        found: list[int] = []
        for piece in cutter(text):
            if isinstance(piece, int):
                found.append(piece)
            else:
                found += map(self._ids.__getitem__, self._ranks_of(piece))
        return found

    def _ranks_of(self, text: str) -> Iterator[int]:
        words = _DIGITS.split(text) if self._has_digits else (text,)
        for word in words:
            yield from self._bpe.encode_ordinary(word)


def make_encoding(vocabulary: Vocabulary, control_tokens: Iterable[str] = ()) -> Encoding | None:
    """None where the vocabulary is of another kind, or splits text in a way that is not known.

    Args:
        control_tokens: texts that the engine takes for control tokens, beside those that the file
            calls so: llama.cpp knows some by their names, such as `</s>`.
    """
    split = find_split(vocabulary.split)
    if vocabulary.kind != "gpt2" or split is None or not vocabulary.merges:
        return None
    return Encoding(vocabulary, split, control_tokens)


class _Cutter:
    """Cuts special tokens out of a text, the longest ones first."""

    def __init__(self, specials: dict[str, int]) -> None:
        texts = sorted(specials, key=len, reverse=True)
        self._specials = specials
        self._pattern = re.compile("|".join(map(re.escape, texts))) if texts else None

    def __call__(self, text: str) -> Iterator[str | int]:
        position = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            if match.start() > position:
                yield text[position : match.start()]
            yield self._specials[match[0]]
            position = match.end()
        if position < len(text):
            yield text[position:]


def _alphabet() -> dict[int, str]:
    """GPT-2's printable stand-in for each byte."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(_BYTES) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {
        byte: chr(_BYTES + index) for index, byte in enumerate(hidden)
    }


_TO_PRINTABLE = _alphabet()
_TO_BYTE = str.maketrans({shown: chr(byte) for byte, shown in _TO_PRINTABLE.items()})


def _printable(data: bytes) -> str:
    return data.decode("latin-1").translate(_TO_PRINTABLE)


def _ranks(merges: tuple[str, ...]) -> dict[bytes, int]:
    """Each text that bytes can be joined to, in the order in which that happens. Ranks have no
    gaps: they are positions in the order of this dict."""
    ranks = {bytes([byte]): byte for byte in range(_BYTES)}
    for merge in merges:
        left, _, right = merge[1:].partition(" ")  # a space cannot be a text's first character
        text = (merge[0] + left + right).translate(_TO_BYTE)
        try:
            ranks.setdefault(text.encode("latin-1"), len(ranks))
        except UnicodeEncodeError:
            continue  # not byte-level: the check will find what that means
    return ranks
