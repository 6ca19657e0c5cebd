"""`edgellm serve` without a model: the built-in one answers, until the planned one takes over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.support.hub import FakeHub, Repo, fake_hub
from tests.support.server import Server, serve

ONLINE = {"EDGELLM_OFFLINE": "0"}
CATALOG = """
models:
  - id: bigger
    params: 6557440
    context: 2048
    licence: Apache-2.0
    parser: hermes
    quality: 99
    shape: {layers: 7, hidden: 256, heads: 4, kv_heads: 2, head_dim: 64, vocab: 4096,
            kv_bytes_per_token: 3584, decode_params: 6557440}
    variants:
      - {backend: llama_cpp, quant: F16, source: "hf:owner/bigger", expected_bytes: SIZE,
         files: [{path: bigger-F16.gguf}]}
"""


@pytest.fixture
def hub(pocket: Path) -> Iterator[FakeHub]:
    with fake_hub() as made:
        made.repos["owner/bigger"] = Repo({"bigger-F16.gguf": pocket.read_bytes()})
        yield made


@pytest.fixture
def folder(tmp_path: Path, pocket: Path) -> Path:
    """With a catalogue in which one model is better than any other."""
    home = tmp_path / "home"
    home.mkdir()
    size = str(pocket.stat().st_size)
    (home / "models.yaml").write_text(CATALOG.replace("SIZE", size))
    return tmp_path


def upgrade_of(server: Server) -> dict[str, Any]:
    return dict(httpx.get(f"{server.url}/health").json().get("upgrade") or {})


def wait_for(server: Server, *states: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = upgrade_of(server)
        if found.get("state") in states:
            return found
        time.sleep(0.1)
    pytest.fail(f"the upgrade is still {found}: {server.log}")


def ask(server: Server) -> tuple[str, str]:
    """Which model answered, and what."""
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": "What is edgellm?"}],
        "temperature": 0,
        "max_tokens": 24,
    }
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["model"], answer.json()["choices"][0]["message"]["content"]


class Clients:
    """Ask without a pause while the block runs."""

    def __init__(self, server: Server, count: int = 3) -> None:
        self.answers: list[tuple[str, str]] = []
        self.errors: list[BaseException] = []
        self._server = server
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                self.answers.append(ask(self._server))
                time.sleep(0.02)
        except BaseException as error:
            self.errors.append(error)
            raise


def test_the_planned_model_takes_over_and_no_request_is_lost(folder: Path, hub: FakeHub) -> None:
    hub.faults.bytes_per_second = 8e6  # some seconds
    environ = {"HF_ENDPOINT": hub.url, **ONLINE}
    with serve(folder, "--yes", environ=environ) as server:
        assert ask(server)[0] == "pocket"
        told = wait_for(server, "fetching")
        assert told["model"] == "bigger:F16"
        with Clients(server) as clients:
            done = wait_for(server, "done", "failed", "stays")
            time.sleep(0.5)
        assert (done["state"], done["percent"]) == ("done", 100)
        assert not clients.errors
        names = [name for name, _ in clients.answers]
        assert names[0] == "pocket"
        assert names[-1] == "bigger:F16"
        assert len({text for _, text in clients.answers}) == 1  # the same weights
        models = httpx.get(f"{server.url}/v1/models").json()["data"]
        assert models[0]["id"] == "bigger:F16"
        assert "fetching bigger:F16: " in server.log
        assert "HTTP Request" not in server.log
        assert not hub.count("agent-harnesses")  # the hub's library asks unless it is told not to
    hub.stop()
    with serve(folder, "--offline") as server:  # what was pulled is enough
        assert wait_for(server, "done")["model"] == "bigger:F16"
        assert ask(server)[0] == "bigger:F16"


def test_nothing_is_fetched_that_nobody_agreed_to(folder: Path, hub: FakeHub) -> None:
    with serve(folder, environ={"HF_ENDPOINT": hub.url, **ONLINE}) as server:
        told = wait_for(server, "stays")
        assert "bigger:F16" in told["message"]
        assert "--yes" in told["hint"]
        assert ask(server)[0] == "pocket"
    assert not hub.requests


def test_offline_it_stays_and_says_how_to_get_more(folder: Path, hub: FakeHub) -> None:
    with serve(folder, "--offline", "--yes", environ={"HF_ENDPOINT": hub.url, **ONLINE}) as server:
        told = wait_for(server, "stays")
        assert told["message"].startswith("Offline")
        assert "edgellm pull" in told["hint"]
    assert not hub.requests


def test_a_hub_that_is_gone_is_tried_again_while_pocket_answers(folder: Path) -> None:
    with serve(folder, "--yes", environ={"HF_ENDPOINT": "http://127.0.0.1:9", **ONLINE}) as server:
        told = wait_for(server, "failed")
        assert told["model"] == "bigger:F16"
        assert ask(server)[0] == "pocket"
        assert "the next try" in server.log
