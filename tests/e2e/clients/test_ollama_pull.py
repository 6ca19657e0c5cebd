"""A model's life in a running server, by Ollama's client: pulled, asked at once, deleted; and a
download that the server's end cuts off."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import ollama
import pytest

from tests.support.hub import FakeHub, Repo, fake_hub
from tests.support.server import Server, serve
from tests.support.tiny_model import write_tiny_model

REPO = "owner/tiny-GGUF"
NAME = f"hf.co/{REPO}:F32"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    model = write_tiny_model(tmp_path / "tiny-F32.gguf").read_bytes()
    with fake_hub() as running:
        running.repos[REPO] = Repo({"tiny-F32.gguf": model})
        yield running


@pytest.fixture
def fetching(tmp_path: Path, hub: FakeHub) -> Iterator[Server]:
    """A server that may fetch, from the stand-in only."""
    environ = {"EDGELLM_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    with serve(tmp_path, "pocket", environ={**environ, "HF_HUB_OFFLINE": "0"}) as server:
        yield server


def test_a_pulled_model_answers_at_once(fetching: Server) -> None:
    with ollama.Client(fetching.url) as client:
        *_, last = client.pull(NAME, stream=True)
        assert last.status == "success"
        options = ollama.Options(num_predict=4, temperature=0)
        answer = client.generate(NAME, "Hi", options=options)
        assert (answer.model, answer.eval_count) == (NAME, 4)
        assert f"hf:{REPO}:F32" in [model.model for model in client.ps().models]
        assert client.delete(NAME).status == "success"  # idle: it leaves memory first
        assert [model.model for model in client.list().models] == ["pocket:latest"]
        with pytest.raises(ollama.ResponseError) as caught:
            client.generate(NAME, "Hi")
        assert caught.value.status_code == 404
        client.pull(NAME)
        assert client.generate(NAME, "Hi", options=options).eval_count == 4


def test_the_server_s_end_cuts_a_download_off_with_words(fetching: Server, hub: FakeHub) -> None:
    data = hub.repos[REPO].files["tiny-F32.gguf"]
    hub.repos[REPO].files["tiny-F32.gguf"] = data + bytes(20_000_000)
    hub.faults.bytes_per_second = 1_000_000
    with ollama.Client(fetching.url) as client:
        stream = iter(client.pull(NAME, stream=True))
        next(step for step in stream if (step.completed or 0) > 100_000)
        fetching.process.send_signal(signal.SIGTERM)
        with pytest.raises(ollama.ResponseError, match="The pull was stopped"):
            list(stream)
    assert fetching.process.wait(20) == 0
