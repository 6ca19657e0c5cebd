"""Small byte-level BPE vocabularies, learned from the texts that encodings are checked with.

Merges are learned across words and spaces, so that a text that is split in the wrong places gets
other tokens. `write_vocabulary` makes a GGUF file without tensors, which llama.cpp can tokenise
with.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import gguf
import llama_cpp

from edgellm.tokens.check import SAMPLES
from tests.support.tiny_model import byte_alphabet

CONTROL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|im_start|>x")
USER_DEFINED = ("<think>", "</think>")
KNOWN_BY_NAME = "<|eot_id|>"  # llama.cpp makes a control token of it


@cache
def learned_merges() -> tuple[str, ...]:
    """The pairs that are joined, the most frequent first, as GGUF writes them."""
    names = byte_alphabet()
    words = [[names[byte] for byte in text.encode()] for text in SAMPLES]
    merges = []
    while pairs := Counter(pair for word in words for pair in pairwise(word)):
        (left, right), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append(f"{left} {right}")
        words = [_joined(word, left, right) for word in words]
    return tuple(merges)


def _joined(word: list[str], left: str, right: str) -> list[str]:
    result: list[str] = []
    index = 0
    while index < len(word):
        is_pair = word[index : index + 2] == [left, right]
        result.append(left + right if is_pair else word[index])
        index += 2 if is_pair else 1
    return result


def write_vocabulary(path: Path, split: str, *, kind: str = "gpt2", add_bos: bool = False) -> Path:
    """A model file that is nothing but a vocabulary.

    Args:
        split: the pre-tokenizer's name.
    """
    writer = gguf.GGUFWriter(path, "llama")
    merges = learned_merges()
    tokens = [*CONTROL, *USER_DEFINED, *byte_alphabet(), KNOWN_BY_NAME]
    tokens += dict.fromkeys(merge.replace(" ", "") for merge in merges)
    types = [gguf.TokenType.CONTROL] * len(CONTROL)
    types += [gguf.TokenType.USER_DEFINED] * len(USER_DEFINED)
    types += [gguf.TokenType.NORMAL] * (len(tokens) - len(types))
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(list(merges))
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(add_bos)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


class Reference:
    """llama.cpp's own tokenizer of a model file."""

    def __init__(self, path: Path) -> None:
        self._llama = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
        vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self.control_tokens = tuple(
            llama_cpp.llama_vocab_get_text(vocab, token).decode()
            for token in range(self._llama.n_vocab())
            if llama_cpp.llama_vocab_get_attr(vocab, token) & llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
        )

    def tokenize(
        self, text: str, *, parse_special: bool = True, add_special: bool = False
    ) -> list[int]:
        return list(self._llama.tokenize(text.encode(), add_bos=add_special, special=parse_special))
