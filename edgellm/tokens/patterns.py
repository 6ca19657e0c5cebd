r"""How text is split into words before they are cut into tokens: a pattern for each pre-tokenizer.

The patterns are the models' own, from their tokenizer.json, where llama.cpp follows them; where it
does not ("gpt-4o" and "tekken" take every letter that is not ASCII for both cases), this follows
llama.cpp, since its tokens are the ones that count. A name that is not here has no pattern.

Source: https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp
"""

from __future__ import annotations

from msgspec import Struct

_SUFFIXES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{L}--[a-z]]", r"[\p{L}--[A-Z]]"


def _cased(suffix: str) -> str:
    """A word of one case, or of one that begins in the other."""
    begin = r"[^\r\n\p{L}\p{N}]?"
    return rf"{begin}{_UPPER}*{_LOWER}+{suffix}|{begin}{_UPPER}+{_LOWER}*{suffix}"


_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    rf"{_SUFFIXES}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_QWEN35 = _QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r" ?[^\s\p{L}", r" ?[^\s\p{L}\p{M}")
_SEED_CODER = _QWEN2.replace(r"\p{N}]+[\r\n]*", r"\p{N}\r\n]+")
_TEKKEN = rf"{_cased('')}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
_GPT4O = (
    rf"{_cased(_SUFFIXES + '?')}|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)


class Split(Struct, frozen=True):
    """`pattern`: whose matches are the words. `digits`: each digit is a word, before all else."""

    pattern: str
    digits: bool = False


_FAMILIES = {
    Split(_GPT2): (
        "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert "
        "jina-v1-en jina-v2-code roberta-bpe mpt olmo jais trillion granite-docling exaone4"
    ),
    Split(_GPT2, digits=True): (
        "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2"
    ),
    Split(_LLAMA3): (
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx "
        "smaug-bpe chatglm-bpe glm4 glm5"
    ),
    Split(_QWEN2): "qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 megrez hunyuan grok-2",
    Split(_QWEN35): "qwen35",
    Split(_SEED_CODER): "seed-coder",
    Split(_TEKKEN): "tekken",
    Split(_GPT4O): "gpt-4o llama4 kanana2 talkie minimax-m2",
}
_SPLITS = {name: split for split, names in _FAMILIES.items() for name in names.split()}


def find_split(name: str) -> Split | None:
    """How a model splits text whose GGUF says `name` in `tokenizer.ggml.pre`; None = not known."""
    return _SPLITS.get(name)
