"""What a repository has to offer, and what of it a name means."""

from __future__ import annotations

import pytest

from edgellm.errors import RemoteNotFound
from edgellm.store.locate import all_in, named_in
from edgellm.store.store import Store
from tests.store.conftest import REPO, content
from tests.support.gguf_bytes import gguf_bytes
from tests.support.hub import FakeHub, Repo, sha256


def test_a_quantisation_is_looked_up(store: Store) -> None:
    there = store.hub.describe(REPO, "main")
    found = named_in(there)
    assert found.name == f"hf:{REPO}:Q4_K_M"
    assert [file.path for file in found.files] == ["tiny-Q4_K_M.gguf"]
    assert (found.backend, found.quant) == ("llama_cpp", "Q4_K_M")
    assert (found.files[0].size_bytes, found.files[0].sha256) == (300_000, sha256(content(1)))
    with pytest.raises(RemoteNotFound, match="no GGUF of Q3_K_M") as caught:
        named_in(there, quant="Q3_K_M")
    assert "BF16, Q4_K_M, Q8_0" in caught.value.hint


def test_a_part_means_all_parts(store: Store) -> None:
    there = store.hub.describe(REPO, "main")
    part = named_in(there, "v1", path="tiny-BF16-00002-of-00002.gguf")
    assert part.name == f"hf:{REPO}@v1/tiny-BF16-00001-of-00002.gguf"
    assert len(part.files) == 2


def test_a_file_that_is_not_there(store: Store) -> None:
    with pytest.raises(RemoteNotFound, match=r"has no file other\.gguf at revision main") as caught:
        named_in(store.hub.describe(REPO, "main"), path="other.gguf")
    assert "tiny-Q8_0.gguf" in caught.value.hint


def test_all_that_can_be_named_by_their_quantisation(store: Store, remote: FakeHub) -> None:
    names = [wanted.name for wanted in all_in(store.hub.describe(REPO, "main"))]
    assert names == [f"hf:{REPO}:{quant}" for quant in ("Q4_K_M", "Q8_0", "BF16")]
    remote.repos["owner/two"] = Repo({"a-Q8_0.gguf": content(1), "b-Q8_0.gguf": content(2)})
    with pytest.raises(RemoteNotFound, match="has no GGUF of Q4_K_M") as caught:
        all_in(store.hub.describe("owner/two", "main"))
    assert "Q8_0" in caught.value.hint
    remote.repos["owner/one"] = Repo({"model.gguf": gguf_bytes()})
    assert [w.name for w in all_in(store.hub.describe("owner/one", "main"))] == [
        "hf:owner/one/model.gguf"
    ]


def test_an_upload_that_lacks_a_part(store: Store, remote: FakeHub) -> None:
    remote.repos["owner/half"] = Repo({"x-Q8_0-00001-of-00002.gguf": content(1)})
    with pytest.raises(RemoteNotFound, match=r"but not x-Q8_0-00002-of-00002\.gguf"):
        all_in(store.hub.describe("owner/half", "main"))
