"""Encodings give the same tokens as llama.cpp, for each way to split text, in many scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.assets import builtin_model
from edgellm.tokens.check import SAMPLES, is_equal
from edgellm.tokens.counter import TokenCounter
from edgellm.tokens.encoding import Encoding, make_encoding
from edgellm.tokens.patterns import _SPLITS
from edgellm.tokens.vocabulary import read_vocabulary
from tests.tokens.vocabularies import KNOWN_BY_NAME, Reference, write_vocabulary

MODELS = ("starcoder", "gpt-2", "llama-bpe", "qwen2", "qwen35", "seed-coder", "tekken", "gpt-4o")


def encoding_of(path: Path) -> Encoding:
    encoding = make_encoding(read_vocabulary(path), Reference(path).control_tokens)
    assert encoding is not None
    return encoding


@pytest.mark.parametrize("split", MODELS)
def test_every_sample_has_the_engines_tokens(split: str, tmp_path: Path) -> None:
    path = write_vocabulary(tmp_path / "v.gguf", split)
    encoding, reference = encoding_of(path), Reference(path)
    for text in SAMPLES:
        for parse_special in (True, False):
            expected = reference.tokenize(text, parse_special=parse_special)
            assert encoding.encode(text, parse_special=parse_special) == expected, text
    assert is_equal(encoding, [reference.tokenize(text) for text in SAMPLES])


@pytest.mark.parametrize("split", sorted(_SPLITS))
def test_llama_cpp_knows_every_name(split: str, tmp_path: Path) -> None:
    """Each name leads both to the same tokens."""
    path = write_vocabulary(tmp_path / "v.gguf", split)
    encoding, reference = encoding_of(path), Reference(path)
    text = "\n".join(SAMPLES)
    assert encoding.encode(text) == reference.tokenize(text)


def test_another_split_is_noticed(tmp_path: Path) -> None:
    """The check tells each family of splits from the others."""
    references = {
        split: Reference(write_vocabulary(tmp_path / f"{split}.gguf", split)) for split in MODELS
    }
    tokens = {
        split: [reference.tokenize(text) for text in SAMPLES]
        for split, reference in references.items()
    }
    for split in MODELS:
        encoding = encoding_of(tmp_path / f"{split}.gguf")
        assert [other for other in MODELS if is_equal(encoding, tokens[other])] == [split]


def test_a_control_token_that_only_the_engine_knows(tmp_path: Path) -> None:
    path = write_vocabulary(tmp_path / "v.gguf", "qwen2")
    text, expected = f"a{KNOWN_BY_NAME}", Reference(path).tokenize(f"a{KNOWN_BY_NAME}")
    assert encoding_of(path).encode(text) == expected
    unaware = make_encoding(read_vocabulary(path))
    assert unaware is not None
    assert unaware.encode(text) != expected


@pytest.fixture(scope="module")
def pocket() -> tuple[Encoding, Reference]:
    path = Path(builtin_model())
    return encoding_of(path), Reference(path)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([*SAMPLES[-1].split(), " ", "  ", "\n", "\t", "1", "'s", "a", "é", "我"])
    ).map("".join)
    | st.text(max_size=60)
)
def test_any_text_has_the_engines_tokens(pocket: tuple[Encoding, Reference], text: str) -> None:
    encoding, reference = pocket
    assert encoding.encode(text) == reference.tokenize(text)


@pytest.mark.parametrize(
    ("kind", "split"), [("llama", "default"), ("gpt2", "falcon"), ("gpt2", "no-such-name")]
)
def test_other_vocabularies_have_no_encoding(kind: str, split: str, tmp_path: Path) -> None:
    path = write_vocabulary(tmp_path / "v.gguf", split, kind=kind)
    assert make_encoding(read_vocabulary(path)) is None


def test_the_start_token_counts_once(tmp_path: Path) -> None:
    path = write_vocabulary(tmp_path / "v.gguf", "qwen2", add_bos=True)
    encoding, reference = encoding_of(path), Reference(path)
    counter = TokenCounter(encoding, start=(0,), num_end=0)
    alone = len(reference.tokenize("Hello", add_special=True))
    assert counter.count(("Hello",)) == alone
    assert counter.count(("<s>Hello",)) == alone
    assert counter.count(("Hello", "Hello")) == 2 * alone - 1
    assert counter.count((5, "Hello")) == alone
    assert counter.count((5, 6)) == 2


def test_a_long_run_of_one_character_is_quick() -> None:
    """Joining pairs takes a time that grows hardly faster than the text."""
    encoding = encoding_of(Path(builtin_model()))
    assert len(encoding.encode("a" * 200_000)) > 1000
