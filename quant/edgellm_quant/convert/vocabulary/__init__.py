"""A checkpoint's tokenizer, written into a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json, read_json
from edgellm_quant.convert.family import Family
from edgellm_quant.convert.vocabulary import sentencepiece
from edgellm_quant.convert.vocabulary.bpe import read_bpe
from edgellm_quant.convert.vocabulary.pre_tokenizer import pre_tokenizer_name
from edgellm_quant.convert.vocabulary.special import read_special
from edgellm_quant.convert.vocabulary.tokens import Vocabulary

if TYPE_CHECKING:
    from gguf import GGUFWriter

_CODE_LLAMA_SIZE, _SMALL_GRANITE_SIZE = 32016, 49152


def write_vocabulary(writer: GGUFWriter, folder: Path, family: Family) -> None:
    """The tokens of a folder, the special ones among them, and the chat template.

    Raises:
        QuantError: there is no tokenizer that llama.cpp could do the same as.
    """
    tokenizer = read_json(folder / "tokenizer.json")
    settings = read_json(folder / "tokenizer_config.json")
    size = family.config.vocab_size
    vocabulary = _read(folder, tokenizer, settings, family)
    is_llama = vocabulary.model == "llama"
    special = read_special(
        folder, tokenizer, settings, read_json(folder / "config.json"), size if is_llama else None
    )
    _add_tokens(writer, vocabulary)
    if vocabulary.pre == "llama-bpe":  # which llama.cpp begins with a BOS unless told otherwise
        special.adds.setdefault("bos", False)
    if family.has_llama_quirks and size == _SMALL_GRANITE_SIZE:
        special.adds["bos"] = False
    special.write(writer)
    _add_quirks(writer, family, settings)


def _read(folder: Path, tokenizer: Json, settings: Json, family: Family) -> Vocabulary:
    size, is_literal = family.config.vocab_size, family.are_flags_literal
    model = folder / "tokenizer.model"
    later = _decoder(settings)
    own = [token for token in tokenizer.get("added_tokens") or [] if "content" in token]
    is_bytes = tokenizer.get("model", {}).get("byte_fallback") is True
    # A byte-level tokenizer.json goes before a tokenizer.model that is there for other programs.
    if not _is_byte_level(tokenizer) and (model.is_file() or is_bytes):
        if model.is_file():
            found = sentencepiece.read_sentencepiece(model, size)
            names = read_json(folder / "added_tokens.json")
            sentencepiece.add_by_name(found, names)
        else:
            found = sentencepiece.from_merges(tokenizer, size)
            sentencepiece.add_tokens(found, own, is_literal=is_literal)
        sentencepiece.add_tokens(found, later, is_literal=is_literal)
        if is_literal:
            sentencepiece.add_tokens(found, own, is_literal=True)
        return found
    if not tokenizer:
        raise _no_tokenizer(folder)
    pre = pre_tokenizer_name(
        tokenizer,
        llama3_split=family.pre_of_llama3_split,
        digits_split=family.pre_of_digits_split,
    )
    known = {token["id"] for token in own}
    return read_bpe(tokenizer, own + [t for t in later if t["id"] not in known], pre, size)


def _is_byte_level(tokenizer: Json) -> bool:
    pre = tokenizer.get("pre_tokenizer") or {}
    steps = pre.get("pretokenizers", [pre])
    return any(step.get("type") == "ByteLevel" for step in steps)


def _decoder(settings: Json) -> list[Json]:
    """`added_tokens_decoder` of tokenizer_config.json, in the form of `added_tokens`."""
    found = settings.get("added_tokens_decoder") or {}
    return [{**token, "id": int(index)} for index, token in found.items() if "content" in token]


def _add_tokens(writer: GGUFWriter, vocabulary: Vocabulary) -> None:
    from gguf import TokenType

    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    if vocabulary.scores is not None:
        writer.add_token_scores(vocabulary.scores)
    writer.add_token_types([TokenType(kind) for kind in vocabulary.types])
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)


def _add_quirks(writer: GGUFWriter, family: Family, settings: Json) -> None:
    """What llama.cpp's converter knows of single models."""
    is_llama, size = family.has_llama_quirks, family.config.vocab_size
    prefix = settings.get("add_prefix_space") if is_llama else family.space_prefix
    if isinstance(prefix, bool):
        writer.add_add_space_prefix(prefix)
    if is_llama and size == _CODE_LLAMA_SIZE:
        writer.add_eot_token_id(32010)  # where a text that is filled in ends


def _no_tokenizer(folder: Path) -> QuantError:
    if (folder / "tekken.json").is_file():
        return QuantError(
            f"{folder} has Mistral's tekken.json only.",
            "Fetch tokenizer.json and tokenizer_config.json of the same repository.",
        )
    return QuantError(
        f"{folder} has neither tokenizer.json nor tokenizer.model.", "Fetch the tokenizer's files."
    )
