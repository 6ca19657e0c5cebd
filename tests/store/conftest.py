"""A hub with a few repositories, and a store of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.store.sources.huggingface import Hub
from edgellm.store.store import Store
from tests.support.gguf_bytes import gguf_bytes
from tests.support.hub import FakeHub, Repo, fake_hub

REPO = "owner/tiny-GGUF"


def content(seed: int, size: int = 300_000) -> bytes:
    """A GGUF file as far as its header goes, which does not compress."""
    return gguf_bytes(size, seed=seed)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub with one repository. Nobody's own login or cache takes part."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    with fake_hub() as hub:
        hub.repos[REPO] = Repo(
            {
                "README.md": b"# tiny",
                "tiny-Q4_K_M.gguf": content(1),
                "tiny-Q8_0.gguf": content(2, 400_000),
                "tiny-BF16-00001-of-00002.gguf": content(3),
                "tiny-BF16-00002-of-00002.gguf": content(4),
                "mmproj-tiny-F16.gguf": content(5, 50_000),
            }
        )
        yield hub


@pytest.fixture
def store(tmp_path: Path, remote: FakeHub) -> Store:
    return Store(tmp_path / "models", Hub(remote.url))
