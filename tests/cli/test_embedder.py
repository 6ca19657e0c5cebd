"""An embedding model of the catalogue by its name: planned, fetched, served, and used."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_serve import _lines_until, _serving
from tests.support.hub import FakeHub, Repo, fake_hub
from tests.support.tiny_embedder import write_tiny_encoder

CARD = """\
models:
  - id: nomic-embed-text-v1.5
    name: "Nomic, but tiny"
    task: embedding
    params: 100000
    context: 512
    licence: Apache-2.0
    pooling: mean
    shape: {layers: 2, hidden: 64, heads: 2, kv_heads: 2, head_dim: 32, vocab: 93, ffn: 128}
    variants:
      - {backend: llama_cpp, quant: F32, source: hf:owner/nomic, files: [{path: nomic-F32.gguf,
         size_bytes: SIZE, sha256: "DIGEST"}]}
"""
NAME = "nomic-embed-text-v1.5"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    model = write_tiny_encoder(tmp_path / "nomic-F32.gguf", architecture="nomic-bert")
    with fake_hub() as running:
        running.repos["owner/nomic"] = Repo({"nomic-F32.gguf": model.read_bytes()})
        yield running


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path, hub: FakeHub) -> dict[str, str]:
    data = (tmp_path / "nomic-F32.gguf").read_bytes()
    home = Path(environment["EDGELLM_HOME"])
    home.mkdir(parents=True)
    card = CARD.replace("SIZE", str(len(data))).replace("DIGEST", sha256(data).hexdigest())
    (home / "models.yaml").write_text(card)
    kept = {name: value for name, value in environment.items() if not name.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_it_is_planned_for_texts_and_not_for_chats(cli: Cli) -> None:
    done = cli("plan", NAME, "--format", "json")
    plan = json.loads(done.stdout)
    assert (plan["context"], plan["parallel"], plan["cells"]) == (512, 1, 512)
    assert plan["needed_bytes"] < 200 * 2**20


def test_it_is_fetched_and_embeds(environment: dict[str, str]) -> None:
    with _serving(environment, NAME, "--port", "0") as process:
        lines = _lines_until(process, "ready in ")
        assert f"{NAME}:F32, context 512" in lines[-1]
        start = next(line for line in lines if "OpenAI base URL" in line)
        url = start.rpartition("OpenAI base URL: ")[2].removesuffix(")")
        found = post(f"{url}/embeddings", {"model": NAME, "input": ["one", "two"]})
        assert [len(item["embedding"]) for item in found["data"]] == [64, 64]
        with urllib.request.urlopen(f"{url}/models") as answer:
            (model, *_) = json.load(answer)["data"]
        assert model["meta"]["capabilities"] == ["embedding"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
