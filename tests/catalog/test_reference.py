"""What a user may call a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.assets import catalog_file
from edgellm.catalog.card import Catalog
from edgellm.catalog.load import load_catalog
from edgellm.catalog.reference import (
    CardReference,
    HubReference,
    PathReference,
    Reference,
    UrlReference,
    parse_reference,
)
from edgellm.errors import ConfigError

HUB = "https://hub.example"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(catalog_file())


def read(text: str, catalog: Catalog) -> Reference:
    return parse_reference(
        text,
        catalog,
        is_file=lambda path: path.name == "here.gguf",
        is_folder=lambda path: path.name in {"folder", "pocket"},
        hub_endpoint=HUB,
    )


@pytest.mark.parametrize(
    ("text", "id_", "quant"),
    [
        ("qwen3-4b", "qwen3-4b", ""),
        ("qwen3-4b:q5_k_m", "qwen3-4b", "Q5_K_M"),
        ("Llama-3.2-1B-Instruct:Q8_0", "llama-3.2-1b", "Q8_0"),
        ("pocket", "pocket", ""),  # whatever folder has that name
    ],
)
def test_cards(catalog: Catalog, text: str, id_: str, quant: str) -> None:
    found = read(text, catalog)
    assert isinstance(found, CardReference)
    assert (found.card.id, found.quant) == (id_, quant)
    assert (
        {v.quant for v in found.variants} == {quant}
        if quant
        else found.variants == found.card.variants
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf:o/r-GGUF", HubReference("o/r-GGUF")),
        ("hf:o/r:Q5_K_M", HubReference("o/r", quant="Q5_K_M")),
        ("hf:o/r/a/b.gguf", HubReference("o/r", file="a/b.gguf")),
        ("hf:o/r@abc/b.gguf", HubReference("o/r", file="b.gguf", revision="abc")),
        ("hf:o/r@refs/pr/3:Q8_0", HubReference("o/r", quant="Q8_0", revision="refs/pr/3")),
        ("hf:a/b@v1.0:Q8_0", HubReference("a/b", quant="Q8_0", revision="v1.0")),
        (f"{HUB}/a/b/resolve/main/x%20y.gguf", HubReference("a/b", file="x y.gguf")),
        (f"{HUB}/a/b/blob/v1/d/x.gguf?download=1", HubReference("a/b", "d/x.gguf", "", "v1")),
        (
            "https://h.example/a/b/resolve/main/x.gguf",
            UrlReference("https://h.example/a/b/resolve/main/x.gguf"),
        ),
        ("/a/folder", PathReference(Path("/a/folder"))),
        ("folder", PathReference(Path("folder"))),
        ("https://h.example/m.gguf?x=1", UrlReference("https://h.example/m.gguf?x=1")),
        ("here.gguf", PathReference(Path("here.gguf"))),
        ("./absent.gguf", PathReference(Path("absent.gguf"))),
    ],
)
def test_other_places(catalog: Catalog, text: str, expected: Reference) -> None:
    assert read(text, catalog) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("qwen3-4", "no model called 'qwen3-4'", "qwen3-4b"),
        ("qwn3-8b:Q4_K_M", "no model called", "qwen3-8b"),
        ("zzz", "no model called 'zzz'", "hf:owner/repo"),
        ("", "no model called ''", ""),
        ("qwen3-4b:Q9", "has no quantisation 'Q9'", "Q4_K_M, Q5_K_M, Q6_K, Q8_0"),
        ("hf:onlyone", "not a model of the hub", "hf:owner/repo"),
        ("hf:a/b:", "not a model of the hub", "hf:owner/repo"),
        ("hf:a/b c", "not a model of the hub", "hf:owner/repo"),
        ("hf:../x:y", "not a model of the hub", "hf:owner/repo"),
        ("https://h.example/m.bin", "not the address of a GGUF", ".gguf"),
        ("Qwen/Qwen3-4B", "no file Qwen/Qwen3-4B", "hf:Qwen/Qwen3-4B"),
    ],
)
def test_mistakes_have_a_hint(catalog: Catalog, text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, catalog)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_exists_goes_before_a_card(catalog: Catalog) -> None:
    found = parse_reference("pocket", catalog, is_file=lambda _path: True)
    assert found == PathReference(Path("pocket"))
