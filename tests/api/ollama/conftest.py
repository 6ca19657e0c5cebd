"""A library that follows a script: what it is told to describe, pull and remove."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

import ollama
import pytest

from edgellm.api.app import create_app
from edgellm.errors import InvalidRequest
from edgellm.serving.library import Description
from edgellm.store.progress import Progress
from tests.api.conftest import InMemory, ScriptedRouter, serve
from tests.support.gguf_bytes import gguf_bytes

TEMPLATE = "{% if tools %}<tool_call>{% endif %}{{ messages }}</think>"
STEPS = (
    Progress("asking", 0, None),
    Progress("fetching", 3, 10, file="a.gguf"),
    Progress("checking", 10, 10, file="a.gguf"),
    Progress("done", 10, 10),
)


class ScriptedLibrary:
    """Plays `steps`: progress, or an exception to raise."""

    def __init__(self, path: Path) -> None:
        self.description: Description | None = Description(path, "ab" * 32)
        self.steps: Sequence[Progress | Exception] = STEPS
        self.pulled: list[str] = []
        self.removed: list[str] = []
        self.num_closed = 0

    def describe(self, model_id: str) -> Description | None:
        return self.description if model_id == "pocket" else None

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        if name == "bad":
            raise InvalidRequest("There is no model called 'bad'.", param="model")
        self.pulled.append(name)
        return self._play()

    async def remove(self, model_id: str) -> None:
        self.removed.append(model_id)

    async def _play(self) -> AsyncGenerator[Progress, None]:
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            self.num_closed += 1


@pytest.fixture
def library(tmp_path: Path) -> ScriptedLibrary:
    path = tmp_path / "pocket.gguf"
    path.write_bytes(gguf_bytes(layers=2, template=TEMPLATE))
    return ScriptedLibrary(path)


@pytest.fixture
def client(router: ScriptedRouter, library: ScriptedLibrary) -> InMemory:
    return InMemory(create_app(router, library=library, is_admin_open=True))


@pytest.fixture
def url(router: ScriptedRouter, library: ScriptedLibrary) -> Iterator[str]:
    with serve(create_app(router, library=library)) as base_url:
        yield base_url


@pytest.fixture
def sdk(url: str) -> Iterator[ollama.Client]:
    with ollama.Client(url) as client:
        yield client
