"""Names of models that would like to be paths: every dialect answers, and no file is opened."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from edgellm.api.app import create_app
from edgellm.catalog.card import Catalog
from edgellm.cli.models import LocalModels
from edgellm.cli.stored import StoredModels
from edgellm.serving.resolver import ServedModel
from edgellm.store.store import Store
from edgellm.types import (
    Embeddings,
    EmbedRequest,
    EngineOptions,
    Event,
    GenerateRequest,
    ModelStatus,
    RerankRequest,
    Scores,
)
from tests.api.conftest import READY, InMemory, ScriptedRouter

MESSAGES = [{"role": "user", "content": "Hi"}]
# What each dialect wants besides the model. Those that are not there (yet) are left out.
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "Once"},
    "/v1/responses": {"input": "Hi"},
    "/v1/embeddings": {"input": "Hi"},
    "/v1/rerank": {"query": "a", "documents": ["b"]},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": MESSAGES},
    "/tokenize": {"content": "Hi"},
    "/detokenize": {"tokens": [1]},
    "/apply-template": {"messages": MESSAGES},
    "/api/chat": {"messages": MESSAGES},
    "/api/generate": {"prompt": "Hi"},
    "/api/show": {},
    "/api/embed": {"input": "Hi"},
    "/api/embeddings": {"prompt": "Hi"},
}
URLS = ("/v1/models/{}", "/admin/models/{}/load", "/admin/models/{}/unload", "/admin/models/{}/pin")

_opened: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hooks cannot be taken off again, so this one is armed and disarmed."""
    if _opened is not None and event in ("open", "os.listdir", "os.scandir"):
        _opened.append(str(arguments[0]))


sys.addaudithook(_hook)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    global _opened
    _opened = []
    yield _opened
    _opened = None


@pytest.fixture
def secret(tmp_path: Path, tiny_model: Path) -> Path:
    """A model that nobody offered to serve."""
    path = tmp_path / "secret.gguf"
    path.write_bytes(tiny_model.read_bytes())
    return path


@pytest.fixture
def names(secret: Path) -> list[str]:
    return [
        "../secret",
        "../secret.gguf",
        "..%2fsecret.gguf",
        "./../models/../secret.gguf",
        str(secret),
        f"file://{secret}",
        f"FILE:{secret}",
        "../../etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
        "~/secret.gguf",
        "C:\\secret.gguf",
        "\\\\host\\share\\secret.gguf",
        "secret.gguf\0",
        "\0",
        "..",
        "/",
        "hf:../secret",
        "x" * 100_000,
        "../" * 30_000 + "etc/passwd",
    ]


class ResolvingRouter(ScriptedRouter):
    """Finds models as the real server does."""

    def __init__(self, models: LocalModels) -> None:
        super().__init__()
        self._resolver = models

    def status(self, name: str) -> ModelStatus:
        return msgspec.structs.replace(READY, id=self._resolver.resolve(name).id)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        self.status(request.model)
        async for event in super().generate(request):
            yield event

    async def render(self, request: GenerateRequest) -> str:
        self.status(request.model)
        return await super().render(request)

    async def tokenize(
        self, model: str, text: str, *, add_special: bool = False, parse_special: bool = True
    ) -> tuple[int, ...]:
        self.status(model)
        return await super().tokenize(model, text)

    async def detokenize(self, model: str, tokens: tuple[int, ...]) -> str:
        self.status(model)
        return await super().detokenize(model, tokens)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        self.status(request.model)
        return await super().embed(request)

    async def rerank(self, request: RerankRequest) -> Scores:
        self.status(request.model)
        return await super().rerank(request)


@pytest.fixture
def client(tmp_path: Path, tiny_model: Path) -> InMemory:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "offered.gguf").write_bytes(tiny_model.read_bytes())
    stored = StoredModels(Store(folder), Catalog(()))
    named = (ServedModel("tiny", tiny_model),)
    models = LocalModels(named, stored, lambda _model, _plan: EngineOptions())
    return InMemory(create_app(ResolvingRouter(models)))


def routes(client: InMemory) -> list[str]:
    there = client.get("/openapi.json").json()["paths"]
    return [path for path in BODIES if path in there]


def test_the_names_that_are_served_work(client: InMemory) -> None:
    assert "/v1/chat/completions" in routes(client)
    for name in ("tiny", "offered", "offered.gguf"):
        assert client.chat(model=name).status_code == 200
        assert client.get(f"/v1/models/{name}").status_code == 200


def test_in_the_field_of_a_body(client: InMemory, names: list[str], opened: list[str]) -> None:
    for path in routes(client):
        for name in names:
            response = client.post(path, {**BODIES[path], "model": name})
            assert_refused(response, path, name)
    assert_untouched(opened)


def test_in_the_path_of_a_url(client: InMemory, names: list[str], opened: list[str]) -> None:
    for url in URLS:
        method = "GET" if url.startswith("/v1") else "POST"
        named = [each[:20_000] for each in names if each.strip("/")]  # without it: the list
        for name in named:  # httpx makes no longer URLs
            spelled = quote(name, safe="")  # or httpx would follow the dots by itself
            assert_refused(client.request(method, url.format(spelled)), url, name)
    assert_untouched(opened)


def assert_refused(response: httpx.Response, where: str, name: str) -> None:
    assert response.status_code in (400, 404, 413, 431), (where, name[:50], response.text[:300])
    assert len(response.content) < 2_000, where
    assert "error" in response.json(), where


def assert_untouched(opened: list[str]) -> None:
    assert [path for path in opened if "secret" in path or "passwd" in path] == []
