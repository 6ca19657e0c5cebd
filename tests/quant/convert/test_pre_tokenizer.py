"""By which of llama.cpp's names a way to cut text is known.

The golden files say nothing of it. The names are checked here against what llama.cpp's source has
for each cut; that the cuts are the same, `test_runs.py` checks on texts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edgellm_quant.convert.vocabulary.pre_tokenizer import pre_tokenizer_name

from edgellm.errors import QuantError
from edgellm.store.gguf_header import read_header
from tests.quant.convert import tiny_tokenizers as tok
from tests.quant.convert.checkpoints import write_checkpoint

NAMES = {
    "llama3": "llama-bpe",
    "nemo": "tekken",
    "ministral3": "tekken",
    "smollm2": "smollm",
    # llama.cpp's converter writes smaug-bpe: the same cut, but merges are not skipped for whole
    # words there, which this tokenizer.json asks for.
    "smollm3": "llama-bpe",
    "qwen2": "qwen2",
    "qwen3": "qwen2",
    "phi4-mini": "gpt-4o",
    "granite3": "refact",
    "granite4": "dbrx",
    "llama2": "default",
    "gemma3": "default",
}


def named(pre_tokenizer: dict[str, Any], *, ignore_merges: bool = False) -> str:
    tokenizer = tok.bpe(pre_tokenizer, (), ignore_merges=ignore_merges)
    return pre_tokenizer_name(tokenizer, llama3_split="smaug-bpe", digits_split="starcoder")


@pytest.mark.parametrize("name", NAMES)
def test_the_name_for_each_family(name: str, tmp_path: Path) -> None:
    from edgellm_quant.convert import convert

    path = convert(write_checkpoint(name, tmp_path), tmp_path / "model.gguf")
    assert read_header(path).metadata["tokenizer.ggml.pre"] == NAMES[name]


def test_what_the_regex_leaves_over_may_be_removed() -> None:
    pre = tok.split_on(tok.QWEN2)
    pre["pretokenizers"][0] |= {"behavior": "Removed", "invert": True}
    assert named(pre) == "qwen2"


@pytest.mark.parametrize("way", [("MergedWithNext", False), ("Removed", False), ("Isolated", True)])
def test_another_use_of_the_same_regex_is_another_cut(way: tuple[str, bool]) -> None:
    pre = tok.split_on(tok.QWEN2)
    pre["pretokenizers"][0] |= {"behavior": way[0], "invert": way[1]}
    with pytest.raises(QuantError, match=way[0]):
        named(pre)


def test_merges_that_are_skipped_decide_between_names_of_one_cut() -> None:
    assert named(tok.split_on(tok.LLAMA3)) == "smaug-bpe"
    assert named(tok.split_on(tok.LLAMA3), ignore_merges=True) == "llama-bpe"


def test_a_space_before_the_first_word_is_another_cut() -> None:
    pre = tok.split_digits()
    pre["pretokenizers"][1]["add_prefix_space"] = True
    with pytest.raises(QuantError, match="add_prefix_space"):
        named(pre)


def test_without_any_cut_it_is_refused() -> None:
    tokenizer = {**tok.bpe({}, ()), "pre_tokenizer": None}
    with pytest.raises(QuantError, match="nothing"):
        pre_tokenizer_name(tokenizer, llama3_split="a", digits_split="b")


def test_no_bos_where_the_tokenizer_puts_none(tmp_path: Path) -> None:
    """llama.cpp puts one before each text of `llama-bpe`, unless the file says no."""
    from edgellm_quant.convert import convert

    folder = write_checkpoint("smollm3", tmp_path)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
    header = read_header(convert(folder, tmp_path / "model.gguf"))
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False
