"""Names as Ollama's clients write them."""

from __future__ import annotations

import pytest

from edgellm.assets import catalog_file
from edgellm.catalog.load import load_catalog
from edgellm.catalog.ollama_names import best_match, catalogue_name, plain, spelling

CATALOG = load_catalog(catalog_file())
SERVED = [
    ("pocket", ("tiny",)),
    ("qwen3-4b:Q8_0", ("qwen3-4b",)),
    ("qwen3-4b:Q4_K_M", ("qwen3-4b",)),
    ("llama-3.2-1b:Q4_K_M", ("llama-3.2-1b", "llama-3.2-1b-instruct")),
    ("hf:Owner/Repo:Q4_K_M", ("hf:Owner/Repo",)),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pocket:latest", "pocket"),
        ("POCKET", "pocket"),
        ("Tiny:Latest", "pocket"),
        ("qwen3:4b", "qwen3-4b:Q8_0"),
        ("qwen3:4b-q4_K_M", "qwen3-4b:Q4_K_M"),
        ("qwen3-4b:q4_k_m", "qwen3-4b:Q4_K_M"),
        ("qwen3:4b-fp16", None),
        ("qwen3:latest", None),
        ("qwen3:8b", None),
        ("llama3.2:1b", "llama-3.2-1b:Q4_K_M"),
        ("llama3.2:1b-instruct-q4_K_M", "llama-3.2-1b:Q4_K_M"),
        ("registry.ollama.ai/library/llama3.2:1b", "llama-3.2-1b:Q4_K_M"),
        ("hf.co/owner/repo:Q4_K_M", "hf:Owner/Repo:Q4_K_M"),
        ("hf.co/owner/repo", "hf:Owner/Repo:Q4_K_M"),
        ("huggingface.co/owner/repo:latest", "hf:Owner/Repo:Q4_K_M"),
        ("hf.co/owner/other", None),
        ("", None),
        (":latest", None),
        ("::", None),
    ],
)
def test_which_model_is_meant(name: str, expected: str | None) -> None:
    assert best_match(name, SERVED) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen3:4b", "qwen3-4b"),
        ("qwen3:0.6b-q8_0", "qwen3-0.6b:Q8_0"),
        ("llama3.2:3b", "llama-3.2-3b"),
        ("gemma3:1b", "gemma-3-1b"),
        ("gemma3:270m", "gemma-3-270m"),
        ("phi4-mini", "phi-4-mini"),
        ("qwen2.5-coder:1.5b", "qwen2.5-coder-1.5b"),
        ("pocket:latest", "pocket"),
        ("hf.co/o/r:Q4_K_M", "hf:o/r:Q4_K_M"),
        ("no-such-model:3b", "no-such-model:3b"),
    ],
)
def test_the_catalogue_s_name(name: str, expected: str) -> None:
    found = catalogue_name(name, CATALOG)
    assert found == expected
    if not found.startswith(("hf:", "no-")):
        assert CATALOG.find(found.partition(":")[0]) is not None


def test_every_name_of_the_catalogue_means_its_own_card() -> None:
    for card in CATALOG.models:
        for name in card.names:
            assert catalogue_name(name, CATALOG).partition(":")[0] == card.id


def test_quantisations_are_told_from_words() -> None:
    assert spelling("a-b:iq4_nl").quant == "iq4_nl"
    assert spelling("gpt-oss:20b-mxfp4").quant == "mxfp4"
    assert spelling("qwen3-4b").quant == ""
    assert plain(" hf.co/a/b ") == "hf:a/b"
