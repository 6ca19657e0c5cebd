"""Pulling and deleting in a running server, by Ollama's client, against a hub on real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import ollama
import pytest
from huggingface_hub import constants

from edgellm.api.app import create_app
from edgellm.assets import builtin_model, catalog_file
from edgellm.catalog.load import load_catalog
from edgellm.catalog.reference import parse_reference
from edgellm.cli.library import LocalLibrary
from edgellm.cli.models import LocalModels
from edgellm.cli.pull import chosen
from edgellm.cli.stored import StoredModels
from edgellm.serving.resolver import ServedModel
from edgellm.serving.router import Router
from edgellm.store.sources.huggingface import Hub
from edgellm.store.store import Store
from edgellm.types import EngineOptions
from tests.api.conftest import serve, wait_until
from tests.store.conftest import content
from tests.support.hub import FakeHub, Repo, fake_hub

REPO = "owner/tiny-GGUF"
Q4 = f"hf.co/{REPO}:Q4_K_M"
CATALOG = load_catalog(catalog_file())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("EDGELLM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    with fake_hub() as running:
        running.repos[REPO] = Repo(
            {"tiny-Q4_K_M.gguf": content(1), "tiny-Q8_0.gguf": content(2, 2_000_000)}
        )
        yield running


class Server:
    """A router whose models are never loaded, and its library."""

    def __init__(self, folder: Path, hub: FakeHub, *, is_offline: bool = False) -> None:
        self.store = Store(folder, Hub(hub.url))
        self.stored = StoredModels(self.store, CATALOG)
        default = ServedModel("pocket", builtin_model())
        self.models = LocalModels((default,), self.stored, lambda *_: EngineOptions())
        self.router = Router(self.models)
        self.library = LocalLibrary(self.models, self.stored, self.router, is_offline=is_offline)
        self.app = create_app(self.router, library=self.library)


@pytest.fixture
def server(tmp_path: Path, hub: FakeHub) -> Server:
    return Server(tmp_path / "models", hub)


@pytest.fixture
def sdk(server: Server) -> Iterator[ollama.Client]:
    with serve(server.app) as url, ollama.Client(url) as client:
        yield client


def test_a_pulled_model_is_there_at_once_and_goes_again(sdk: ollama.Client, server: Server) -> None:
    steps = list(sdk.pull(Q4, stream=True))
    assert steps[0].status == "pulling manifest"
    assert any((step.status or "").startswith("pulling tiny") for step in steps)
    assert steps[-1].status == "success"
    (model,) = (each for each in sdk.list().models if each.model != "pocket:latest")
    assert model.model == f"hf:{REPO}:Q4_K_M"
    assert model.size == len(content(1))
    for name in (Q4, f"hf.co/{REPO}", f"HF.co/{REPO.upper()}:q4_k_m", model.model):
        assert (sdk.show(name).modelinfo or {})["general.name"] == "claimed"
    (there,) = server.store.list()
    assert sdk.pull(Q4).status == "success"
    assert server.store.list() == (there,)  # nothing was fetched anew
    server.models.resolve(f"hf:{REPO}:Q4_K_M")  # as a request does: it is held
    assert sdk.delete(Q4).status == "success"
    assert server.store.list() == ()
    with pytest.raises(ollama.ResponseError, match="not found"):
        sdk.show(Q4)


def test_clients_that_want_the_same_share_a_download(
    sdk: ollama.Client, hub: FakeHub, server: Server
) -> None:
    hub.faults.bytes_per_second = 4_000_000
    name = f"hf.co/{REPO}:Q8_0"
    results: list[str | None] = []

    def pull() -> None:
        results.append(sdk.pull(name).status)

    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["success"] * 3
    assert hub.sent_bytes < 2 * 2_000_000 + 1_500_000  # its header, and once the file
    assert len(server.store.list()) == 1


def test_a_client_that_leaves_stops_the_download_and_what_came_is_kept(
    sdk: ollama.Client, hub: FakeHub, server: Server
) -> None:
    hub.faults.bytes_per_second = 500_000
    stream = sdk.pull(f"hf.co/{REPO}:Q8_0", stream=True)
    for step in stream:
        if (step.completed or 0) > 100_000:
            break
    stream.close()  # type: ignore[attr-defined]  # a generator, which its type does not say
    wait_until(lambda: not server.library._pulls._running)
    wait_until(lambda: not server.library._pulls._ending)
    assert server.store.list() == ()
    assert server.store.disk_usage().unfinished_bytes > 100_000
    hub.faults.bytes_per_second = 0
    assert sdk.pull(f"hf.co/{REPO}:Q8_0").status == "success"


def test_what_is_not_the_server_s_is_not_deleted(sdk: ollama.Client, server: Server) -> None:
    server.store.places.root.mkdir(parents=True, exist_ok=True)
    by_hand = server.store.places.root / "own.gguf"
    by_hand.write_bytes(content(3))
    for name, status, text in (
        ("pocket", 409, "started with"),
        ("own:latest", 400, "by hand"),
        ("nothing", 404, "not found"),
    ):
        with pytest.raises(ollama.ResponseError, match=text) as caught:
            sdk.delete(name)
        assert caught.value.status_code == status
    assert by_hand.exists()


def test_another_server_s_model_is_not_deleted(
    sdk: ollama.Client, server: Server, hub: FakeHub
) -> None:
    sdk.pull(Q4)
    other = Server(server.store.places.root, hub)
    other.models.resolve(f"hf:{REPO}:Q4_K_M")
    with pytest.raises(ollama.ResponseError, match="in use by another process") as caught:
        sdk.delete(Q4)
    assert caught.value.status_code == 409
    other.models.close()
    assert sdk.delete(Q4).status == "success"


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("/etc/passwd", 400, "not pulled over HTTP"),
        ("./x.gguf", 400, "not pulled over HTTP"),
        ("http://127.0.0.1/x.gguf", 400, "not pulled over HTTP"),
        ("a\\b.gguf", 400, "no model called"),
        ("x.gguf", 400, "no model called"),
        ("pockt", 400, "Did you mean pocket"),
        ("owner/repo", 400, "hf:owner/repo"),
        ("qwen3:4b-q2_K", 400, "has no quantisation"),
        ("hf.co/owner/none:Q4_K_M", 404, "no model repository"),
        (f"hf.co/{REPO}:Q2_K", 404, "Q2_K"),
    ],
)
def test_names_that_lead_nowhere(sdk: ollama.Client, name: str, status: int, text: str) -> None:
    with pytest.raises(ollama.ResponseError, match=text) as caught:
        sdk.pull(name)
    assert (caught.value.status_code, text in caught.value.error) == (status, True)


def test_what_is_always_here_needs_no_pull(sdk: ollama.Client, hub: FakeHub) -> None:
    assert sdk.pull("pocket:latest").status == "success"
    assert hub.requests == []


def test_offline_nobody_is_asked(tmp_path: Path, hub: FakeHub, server: Server) -> None:
    offline = Server(server.store.places.root, hub, is_offline=True)
    with serve(offline.app) as url, ollama.Client(url) as client:
        with pytest.raises(ollama.ResponseError, match="offline"):
            client.pull(Q4)
        assert hub.requests == []
        name = f"hf:{REPO}:Q4_K_M"
        reference = parse_reference(name, CATALOG)
        server.store.pull(chosen(server.store, name, reference, is_forced=False))
        num_requests = len(hub.requests)
        assert client.pull(Q4).status == "success"
        assert len(hub.requests) == num_requests
