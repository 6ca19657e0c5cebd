"""The tokenizer: byte-level BPE of 4,096 tokens, trained on the corpus.

The split pattern is llama.cpp's "qwen2": single digits, and letters with one leading other sign.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from template import SPECIALS, Part

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCAB = 4096
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
FILE = Path(__file__).with_name("tokenizer.json")


def blank() -> Tokenizer:
    """A tokenizer with the split pattern and no vocabulary."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    bpe = Tokenizer(models.BPE(byte_fallback=False))
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    bpe.decoder = decoders.ByteLevel()
    return bpe


def train(texts: list[str]) -> None:
    """Train on texts and write `tokenizer.json`."""
    from tokenizers import pre_tokenizers, trainers

    bpe = blank()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=list(SPECIALS),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.save(str(FILE), pretty=False)


class Coder:
    """Encodes weighted parts; special tokens come only from parts that are marked special."""

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        self.bpe = Tokenizer.from_file(str(FILE))
        vocab = json.loads(FILE.read_text(encoding="utf-8"))["model"]["vocab"]
        self.special = {text: vocab[text] for text in SPECIALS}
        self.bpe.encode_special_tokens = True

    def text(self, text: str) -> list[int]:
        """Plain text, without special tokens."""
        return self.bpe.encode(text, add_special_tokens=False).ids

    def parts(self, parts: list[Part]) -> tuple[list[int], list[float]]:
        """Ids and loss weights of a document."""
        ids, weights = [], []
        plain = iter(
            self.bpe.encode_batch([p[0] for p in parts if not p[2]], add_special_tokens=False)
        )
        for text, weight, special in parts:
            new = [self.special[text]] if special else next(plain).ids
            ids += new
            weights += [weight] * len(new)
        return ids, weights


def main() -> None:
    """Train on 40,000 documents of the corpus."""
    import itertools

    import corpus

    documents = itertools.islice(corpus.stream(7), 40_000)
    train([text for parts in documents for text, _, special in parts if not special])


if __name__ == "__main__":
    main()
