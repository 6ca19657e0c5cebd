"""What is converted runs: llama.cpp loads it, computes, and cuts text as the original does."""

from __future__ import annotations

from pathlib import Path

import llama_cpp
import numpy as np
import pytest
from edgellm_quant.convert import convert
from tokenizers import Tokenizer

from tests.quant.convert.checkpoints import CASES, write_checkpoint

TEXTS = (
    "the world and 12 or 345 things, isn't it?  In THE\n\n end",
    "Café naïve… 私は 猫 🦙🦙 \t tabs   and  spaces ",
    "x = {'a': 1}\r\n\r\nfor i in range(10): print(i) // 3.14",
    "HeLLO WoRLD camelCase don't WE'LL 1000000 -- ==",
)
BYTE_LEVEL = ("llama3", "nemo", "smollm2", "smollm3", "qwen2", "phi4-mini", "granite3", "granite4")


def opened(path: Path) -> llama_cpp.Llama:
    return llama_cpp.Llama(str(path), n_ctx=256, n_threads=1, verbose=False, logits_all=True)


@pytest.mark.parametrize("name", CASES)
def test_llama_cpp_computes_with_it(name: str, tmp_path: Path) -> None:
    path = convert(write_checkpoint(name, tmp_path), tmp_path / "model.gguf")
    model = opened(path)
    tokens = model.tokenize(b"the world is 12", add_bos=False)
    model.eval(tokens)
    logits = np.array(model.scores[: len(tokens)])
    assert np.isfinite(logits).all()
    assert logits.std() > 0
    model.close()


@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_text_is_cut_as_the_original_cuts_it(name: str, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(name, tmp_path)
    original = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    model = opened(convert(checkpoint, tmp_path / "model.gguf"))
    for text in TEXTS:
        ids = original.encode(text, add_special_tokens=False).ids
        assert model.tokenize(text.encode(), add_bos=False) == ids
    model.close()


def test_without_its_tokenizer_model_a_sentencepiece_vocabulary_joins_by_the_merges(
    tmp_path: Path,
) -> None:
    checkpoint = write_checkpoint("llama2", tmp_path)
    (checkpoint / "tokenizer.model").unlink()
    original = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    model = opened(convert(checkpoint, tmp_path / "model.gguf"))
    for text in ("the world and", "the other windworld", "hello 12 é"):
        ids = original.encode(text, add_special_tokens=False).ids
        assert model.tokenize(text.encode(), add_bos=False) == ids
    model.close()
