"""What users may write, and what it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import ConfigError, RemoteNotFound
from edgellm.store.reference import (
    Address,
    CardReference,
    HubReference,
    LocalPath,
    Reference,
    locate,
    parse,
)
from edgellm.store.store import Store
from tests.store.conftest import REPO

HUB = "https://hub.example"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hf:a/b", HubReference("a/b")),
        ("hf:a/b:Q8_0", HubReference("a/b", quant="Q8_0")),
        ("hf:a/b/c.gguf", HubReference("a/b", path="c.gguf")),
        ("hf:a/b/x/c.gguf", HubReference("a/b", path="x/c.gguf")),
        ("hf:a/b@v1.0:Q8_0", HubReference("a/b", "v1.0", quant="Q8_0")),
        ("hf:a/b@v1/c.gguf", HubReference("a/b", "v1", "c.gguf")),
        (f"{HUB}/a/b/resolve/main/x%20y.gguf", HubReference("a/b", "main", "x y.gguf")),
        (f"{HUB}/a/b/blob/v1/d/x.gguf?download=1", HubReference("a/b", "v1", "d/x.gguf")),
        ("https://other.example/a/b/resolve/main/x.gguf", None),
        ("http://x.example/y.gguf", None),
        ("./x", LocalPath(Path("x"))),
        ("/a/folder", LocalPath(Path("/a/folder"))),
        ("x.gguf", LocalPath(Path("x.gguf"))),
        ("qwen3-0.6b", CardReference("qwen3-0.6b")),
        ("qwen3-0.6b:Q8_0", CardReference("qwen3-0.6b", "Q8_0")),
    ],
)
def test_parse(text: str, meant: Reference | None) -> None:
    assert parse(text, HUB) == (meant or Address(text))


@pytest.mark.parametrize("text", ["hf:", "hf:a", "hf:a/", "hf:a/b:", "hf:a/b c", "hf:../x:y"])
def test_what_means_nothing(text: str) -> None:
    with pytest.raises(ConfigError, match="names nothing on the hub") as caught:
        parse(text)
    assert "hf:OWNER/REPO" in caught.value.hint


def test_a_quantisation_is_looked_up(store: Store) -> None:
    found = locate(HubReference(REPO), store.hub)
    assert found.name == f"hf:{REPO}:Q4_K_M"
    assert [file.path for file in found.files] == ["tiny-Q4_K_M.gguf"]
    assert (found.backend, found.quant) == ("llama_cpp", "Q4_K_M")
    part = locate(HubReference(REPO, path="tiny-BF16-00002-of-00002.gguf"), store.hub)
    assert len(part.files) == 2
    with pytest.raises(RemoteNotFound, match="no GGUF of Q3_K_M") as caught:
        locate(HubReference(REPO, quant="Q3_K_M"), store.hub)
    assert "BF16, Q4_K_M, Q8_0" in caught.value.hint
