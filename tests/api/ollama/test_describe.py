"""What is told of a model's file."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from edgellm.api.ollama.describe import (
    capabilities,
    capabilities_of,
    digest,
    fact_reader,
    human_count,
)
from edgellm.api.ollama.models import known, process, show, tag
from edgellm.assets import builtin_model, catalog_file
from edgellm.catalog.load import load_catalog
from edgellm.serving.library import Description, NoLibrary
from edgellm.store.gguf_header import GGUFHeader
from edgellm.types import ModelStatus
from tests.api.conftest import READY
from tests.api.ollama.conftest import ScriptedLibrary

CATALOG = load_catalog(catalog_file())


class OneLibrary(NoLibrary):
    def __init__(self, description: Description) -> None:
        self.description = description

    def describe(self, model_id: str) -> Description | None:
        return self.description


def test_the_built_in_model() -> None:
    library = OneLibrary(Description(builtin_model(), card=CATALOG.find("pocket")))
    model = known(READY, library, fact_reader())
    told = show(model)
    assert told["capabilities"] == ["completion", "tools"]
    assert told["license"] == "Apache-2.0"
    assert told["parameters"] == "temperature 0.2"
    assert told["modelfile"].startswith("# What edgellm serves")
    info = told["model_info"]
    assert info["general.architecture"] == "llama"
    assert info["general.parameter_count"] == 6557440
    assert info["llama.context_length"] == 2048
    assert info["tokenizer.ggml.tokens"] is None  # as in Ollama's short form
    assert "tokenizer.chat_template" not in info
    details = tag(model)["details"]
    assert details["parameter_size"] == "6.56M"
    assert details["quantization_level"] == "F16"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"tokenizer.chat_template": "{{ messages }}"}, ("completion",)),
        (
            {"tokenizer.chat_template": "{{ tools }}{{ enable_thinking }}"},
            ("completion", "tools", "thinking"),
        ),
        ({"tokenizer.ggml.fim_pre_token_id": 5}, ("completion", "insert")),
        ({"x.pooling_type": 1}, ("embedding",)),
        ({"x.pooling_type": 4}, ()),
    ],
)
def test_abilities_by_the_header(metadata: dict[str, object], expected: tuple[str, ...]) -> None:
    header = GGUFHeader(3, {"general.architecture": "x", **metadata}, (), 0)  # type: ignore[dict-item]  # one test's values
    assert capabilities_of(header) == expected


def test_the_catalogue_s_abilities_go_before_the_file_s(library: ScriptedLibrary) -> None:
    facts = fact_reader()(library.description)
    assert facts.capabilities == ("completion", "tools", "thinking")
    assert capabilities(facts, CATALOG.find("pocket")) == ["completion", "tools"]
    embedder = next(card for card in CATALOG.models if card.task == "embedding")
    assert capabilities(facts, embedder) == ["embedding"]


def test_a_header_is_read_again_only_when_its_file_changes(library: ScriptedLibrary) -> None:
    read = fact_reader()
    first = read(library.description)
    assert read(library.description) is first
    assert library.description is not None
    library.description.path.write_bytes(b"GGUF")
    assert read(library.description).keys == {}
    assert read(Description(Path("/nowhere.gguf"))).keys == {}


def test_digests_tell_models_apart() -> None:
    other = msgspec.structs.replace(READY, created=READY.created + 1)
    digests = {digest(READY, None), digest(other, None), digest(READY, Description(Path("x"), "d"))}
    assert len(digests) == 3
    assert digest(READY, None) == digest(READY, None)


def test_when_a_model_leaves() -> None:
    def expires(seconds: float | None) -> str:
        status = msgspec.structs.replace(READY, unload_seconds=seconds)
        told: str = process(known(status, NoLibrary(), fact_reader()), 1e9)["expires_at"]
        return told

    assert expires(60) == "2001-09-09T01:47:40.000000000Z"
    assert expires(None) == expires(math.inf)
    assert expires(None) > "2101"


def test_sizes_and_shares() -> None:
    status = ModelStatus("m", "ready", 0, size_bytes=10, needed_bytes=30, gpu_share=1.0)
    told = process(known(status, NoLibrary(), fact_reader()), 0)
    assert (told["size"], told["size_vram"]) == (30, 30)
    assert [human_count(n) for n in (4 * 10**9, 4_022_468_096, 596_049_920, 12_345, 7)] == [
        "4B",
        "4.0B",
        "596.05M",
        "12K",
        "7",
    ]
