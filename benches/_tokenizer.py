"""A byte-level BPE of any size for models that nobody trained.

Every token of more than one byte is reached by real merges, so what such a model writes is read
back as the same tokens: without that, no conversation could be served from a prefix cache. The
words of the benches' prompts are one token each; the rest of the vocabulary is made-up words of
capital syllables (" BaKeLu"), which never meet the merges of the lower-case ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import gguf

from benches._prompts import WORDS

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_ROLES = ("system", "user", "assistant")
_SPACE = "Ġ"  # how byte-level BPE writes a space
_SYLLABLES = tuple("".join(pair) for pair in itertools.product("BCDFGHJKLMNPQRSTVWXZ", "aeiou"))


class Vocabulary(NamedTuple):
    """First `num_structural` bytes, control tokens and parts, then words.

    Up to `num_spelled` they are those of the benches' prompts and the words' beginnings.
    """

    tokens: list[str]
    types: list[gguf.TokenType]
    merges: list[str]
    num_structural: int
    num_spelled: int


def make_vocabulary(size: int) -> Vocabulary:
    """A vocabulary of exactly `size` tokens; merges in the order of their rank."""
    tokens = dict.fromkeys([*_byte_alphabet(), *CONTROL])
    parts = dict(_new(tokens, itertools.chain(_syllables(), *map(_chain, _ROLES)), size))
    num_structural = len(tokens)
    spelled = itertools.chain(*(_chain(_SPACE + word) for word in WORDS))
    words = dict(_new(tokens, spelled, size))
    num_spelled = len(tokens)
    made_up = dict(_new(tokens, _made_up(), size))
    if len(tokens) != size or not made_up:
        raise ValueError(f"a vocabulary has {num_spelled + 1} to {len(tokens)} tokens, not {size}")
    types = [
        gguf.TokenType.CONTROL if token in CONTROL else gguf.TokenType.NORMAL for token in tokens
    ]
    # Words first: a space binds its letter before "as" of "assistant" can break up " ask". The
    # made-up ones need their syllables, which share no letter with the others.
    merges = [*words.values(), *parts.values(), *made_up.values()]
    return Vocabulary(list(tokens), types, merges, num_structural, num_spelled)


def add_tokenizer(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """Write the tokenizer's metadata, with ChatML as the chat template."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary.tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(vocabulary.tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)


def _new(
    tokens: dict[str, None], pairs: Iterable[tuple[str, str]], size: int
) -> Iterator[tuple[str, str]]:
    """Add what is not there yet, up to `size` tokens; gives each with the merge that makes it."""
    for left, right in pairs:
        if len(tokens) == size:
            return
        if left + right not in tokens:
            tokens[left + right] = None
            yield left + right, f"{left} {right}"


def _chain(word: str) -> Iterator[tuple[str, str]]:
    """Letter by letter from the left: the pairs that make `word`."""
    return ((word[:end], word[end]) for end in range(1, len(word)))


def _syllables() -> Iterator[tuple[str, str]]:
    return ((syllable[0], syllable[1]) for syllable in _SYLLABLES)


def _made_up() -> Iterator[tuple[str, str]]:
    """Words of one to three syllables with a space in front; the shorter ones first."""
    stems = [_SPACE]
    for _ in range(3):
        yield from itertools.product(stems, _SYLLABLES)
        stems = ["".join(pair) for pair in itertools.product(stems, _SYLLABLES)]


def _byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in the order of the bytes."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {byte: chr(byte) for byte in visible}
    hidden = (byte for byte in range(256) if byte not in names)
    names |= {byte: chr(256 + index) for index, byte in enumerate(hidden)}
    return [names[byte] for byte in range(256)]
